"""`edgewright run`: what it builds, says and exits with."""

from pathlib import Path

from tests.cli.workspace import call, report_of, set_behaviour
from tests.engine.workspace import Tiny

NAME = "alpha--plain--w8a8--xnnpack"


def test_the_first_run_shows_progress_table_and_page(first: tuple[Tiny, str]):
    tiny, shown = first
    assert "model@alpha: Completed in" in shown
    assert " left" in shown
    assert f"{NAME}  ok" in shown
    assert "after gq" in shown
    assert f"report: {tiny.root}/reports/report.html" in shown
    assert (tiny.root / "reports/report.html").is_file()
    assert [variant["status"] for variant in report_of(tiny)["variants"]] == ["ok"]


def test_the_second_run_does_nothing_and_says_so(ready: Tiny):
    (ready.root / "ran.log").unlink()
    done = call(ready.root, "run")
    lines = done.stdout.splitlines()
    assert lines[0] == "nothing to do: 22 stages up to date"
    assert lines[1].startswith("report: ")
    assert (len(lines), done.returncode, done.stderr) == (2, 0, "")
    assert ready.ran() == []


def test_a_changed_value_is_planned_and_runs_below_it_only(ready: Tiny):
    (ready.root / "ran.log").unlink()
    text = ready.workspace.params_file.read_text()
    ready.workspace.params_file.write_text(text.replace("plain:\n", "plain:\n    clip: true\n"))
    done = call(ready.root, "run", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ready.ran() == ["aq@alpha--calib--plain"]
    assert "stages: 1 completed, 21 cached" in done.stdout


def test_a_stale_plan_is_written_anew(ready: Tiny):
    ready.workspace.plan_file.unlink()
    done = call(ready.root, "run")
    assert done.stdout.startswith("planned anew: plan.json\n")
    assert done.returncode == 0


def test_a_failed_stage_leaves_a_partial_report_and_its_exit_code(ready: Tiny):
    values = {"model": "beta", "aq": "plain", "gq": "w8a8", "target": "xnnpack"}
    ready.edit(lambda params: params["variants"].append(values))
    set_behaviour(ready, 3)
    done = call(ready.root, "run")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "error: aq@alpha--calib--plain: aq@alpha--calib--plain: column 'x' has 3 nulls" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"{NAME}  failed  aq: aq@alpha--calib--plain: column 'x' has 3 nulls" in done.stdout
    assert "skipped" in done.stdout
    assert [variant["status"] for variant in report_of(ready)["variants"]] == ["failed", "failed"]

    set_behaviour(ready, 8)
    (ready.root / "ran.log").unlink()
    done = call(ready.root, "run", "beta--plain--w8a8--xnnpack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "beta--plain--w8a8--xnnpack  ok" in done.stdout
    assert NAME not in done.stdout.partition("beta--plain--w8a8--xnnpack  ok")[2]
    assert not any("alpha" in name for name in ready.ran())


def test_a_bug_is_a_traceback_and_exit_code_1(ready: Tiny):
    set_behaviour(ready, 2)
    done = call(ready.root, "run")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "ZeroDivisionError: a bug" in done.stderr


def test_a_missed_budget_is_exit_code_4_each_time(ready: Tiny):
    ready.edit(lambda params: params["variants"][0].update(accept={"size_bytes": 999}))
    for _ in range(2):
        done = call(ready.root, "run")
        assert done.returncode == 4, done.stdout + done.stderr
        assert done.stderr.startswith(f"error: {NAME} rejected: size_bytes")


def test_mistakes_are_one_line_before_any_stage(fresh: Tiny, tmp_path: Path):
    done = call(fresh.root, "run", "alpha--plain--w8a8--xnnpak")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: no variant 'alpha--plain--w8a8--xnnpak' in params.yaml"
        " (did you mean 'alpha--plain--w8a8--xnnpack'?)\n"
    )
    done = call(tmp_path, "run")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "`edgewright init DIR` writes them" in done.stderr
    assert fresh.ran() == []

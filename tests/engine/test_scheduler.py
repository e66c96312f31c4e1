import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import RUN
from edgewright.engine import imports, plan, run_record, scheduler
from edgewright.engine.schedule import Schedule
from edgewright.engine.state import Result, State
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError
from tests.engine.workspace import is_gone, make

AQ = "aq@alpha--calib--plain"
BELOW_AQ = {
    "ir@alpha--calib--plain", "go@alpha--calib--plain--xnnpack", "gq@alpha--calib--plain--xnnpack--w8a8",
    "compile@alpha--calib--plain--xnnpack--w8a8", "profile@alpha--calib--plain--xnnpack--w8a8",
    "evaluate@aq--alpha--calib--plain", "evaluate@go--alpha--calib--plain--xnnpack",
    "evaluate@gq--alpha--calib--plain--xnnpack--w8a8", "evaluate@compile--alpha--calib--plain--xnnpack--w8a8",
    "report",
}


def option(tiny: Any, **test: float) -> None:
    tiny.edit(lambda values: values["aq"]["plain"].update(options={"test": test}))


def restored(tiny: Any) -> set[str]:
    """What a run restores; it computes nothing."""
    outcome = tiny.run()
    assert tiny.ran() == []
    return set(tiny.states(outcome, without=(State.CACHED,))) - {"guard"}


def test_first_run_completes_everything_and_tells_of_it(built: Any) -> None:
    outcome = built.first
    assert set(outcome.results) == {*built.first_ran, "guard"}
    assert {result.state for result in outcome.results.values()} == {State.COMPLETED}
    assert outcome.exit_code == 0
    told = [event for event in built.first_events if event.name == AQ]
    assert [event.kind for event in told] == ["started", "progress", "finished"]
    assert told[1].message == "0/1 layer"
    assert built.first_events[-1].done == built.first_events[-1].total == len(outcome.results)


def test_unchanged_stages_are_cached_in_a_moment(built: Any) -> None:
    start = time.monotonic()
    outcome = built.run()
    assert time.monotonic() - start < 4
    assert {result.state for result in outcome.results.values()} == {State.CACHED}
    assert built.ran() == []


def test_plain_dvc_agrees_that_nothing_is_to_be_done(built: Any) -> None:
    result = built.dvc("repro")
    assert built.ran() == []
    assert result.stdout.count("Running stage") == 1
    assert "Running stage 'guard'" in result.stdout


def test_a_value_runs_its_stage_and_below_and_back_is_restored(built: Any) -> None:
    built.edit(lambda values: values["aq"]["plain"].update(bits=3))
    outcome = built.run()
    assert set(built.ran()) == {AQ} | BELOW_AQ
    assert {name for name, result in outcome.results.items() if result.state is State.COMPLETED} == {AQ} | BELOW_AQ
    built.edit(lambda values: values["aq"]["plain"].update(bits=8))
    outcome = built.run()
    assert built.ran() == []
    assert {name for name, result in outcome.results.items() if result.state is State.RESTORED} == {AQ} | BELOW_AQ


def test_another_recipe_runs_its_aq_and_below_and_back_is_restored(built: Any) -> None:
    built.edit(lambda values: values["variants"][0].update(aq="awq"))
    built.run()
    assert set(built.ran()) == {name.replace("plain", "awq") for name in {AQ} | BELOW_AQ}
    built.edit(lambda values: values["variants"][0].update(aq="plain"))
    assert restored(built) == {"report"}


def test_another_target_runs_nothing_above_go_and_back_is_restored(built: Any) -> None:
    built.edit(lambda values: values["variants"][0].update(target=["xnnpack", "onnxruntime"]))
    built.run()
    ran = set(built.ran())
    assert ran == {name.replace("xnnpack", "onnxruntime") for name in built.first_ran if "xnnpack" in name} | {"report"}
    assert {name.partition("@")[0] for name in ran} == {"go", "gq", "compile", "evaluate", "profile", "report"}
    built.edit(lambda values: values["variants"][0].update(target="xnnpack"))
    assert restored(built) == {"report"}


def test_comment_in_a_rounder_runs_the_recipes_that_use_it_and_stops_there(
    built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library" / "edgewright"
    shutil.copytree(imports._PACKAGE, library, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(imports, "_PACKAGE", library)
    monkeypatch.setenv("PYTHONPATH", str(library.parent))

    def ran_after(file: Path, addition: str) -> list[str]:
        file.write_text(f"{file.read_text()}{addition}\n")
        plan.write(built.workspace)
        assert built.run().exit_code == 0
        return list(built.ran())

    names = 'ALGORITHMS = ("edgewright.aq.transforms", "edgewright.aq.rounders")'
    assert ran_after(built.root / "stages" / "aq.py", names) == ["aq@alpha--calib--none", AQ]
    assert ran_after(library / "aq" / "rounders" / "rtn.py", "# a comment") == [AQ]
    assert ran_after(library / "aq" / "transforms" / "awq.py", "# a comment") == []


def test_changed_code_with_equal_bytes_stops_there(built: Any) -> None:
    stage = built.root / "stages" / "aq.py"
    stage.write_text(stage.read_text() + "# a comment\n")
    plan.write(built.workspace)
    built.run()
    assert built.ran() == ["aq@alpha--calib--none", AQ]


def test_lost_artifact_is_restored(built: Any) -> None:
    (built.root / "data" / "aq" / "alpha--calib--plain" / "artifact.json").unlink()
    outcome = built.run()
    assert built.ran() == []
    assert {name for name, result in outcome.results.items() if result.state is not State.CACHED} == {AQ}
    assert outcome.results[AQ].state is State.RESTORED


def test_failure_skips_what_reads_it_and_the_rest_goes_on(built: Any) -> None:
    built.edit(lambda values: values["evaluate"].update(drift_samples=3))
    option(built, fail=1)
    outcome = built.run()
    assert outcome.results[AQ].state is State.FAILED
    assert outcome.results[AQ].message == f"{AQ}: column 'x' has 3 nulls"
    assert outcome.exit_code == 3
    assert {name for name, result in outcome.results.items() if result.state is State.SKIPPED} == BELOW_AQ
    assert outcome.results["evaluate@model--alpha"].state is State.COMPLETED
    run_record.write(built.workspace, outcome)
    record = run_record.read(built.workspace)
    assert record[AQ]["state"] == "Failed"
    assert record["report"]["message"] == f"{AQ} failed"


def test_bug_in_a_stage_is_exit_one_with_its_traceback_in_the_log(built: Any) -> None:
    option(built, crash=1)
    outcome = built.run()
    assert outcome.results[AQ].message == "ZeroDivisionError: a bug"
    assert outcome.exit_code == 1
    assert "Traceback" in (built.workspace.scratch / "logs" / "aq--alpha--calib--plain.log").read_text()


def test_only_the_stages_of_a_variant(built: Any) -> None:
    built.edit(lambda values: values["variants"].append({"model": "beta", "target": "xnnpack"}))
    outcome = built.run(variants=["alpha--plain--w8a8--xnnpack"])
    assert {result.state for result in outcome.results.values()} == {State.CACHED}
    assert set(outcome.results) == set(built.first.results) - {"report"}
    with pytest.raises(ConfigError, match="did you mean 'beta--none--none--xnnpack'"):
        built.run(variants=["beta--none--none--xnpack"])


class Recorded:
    """A schedule that notes who runs beside whom."""

    names = ("model", "ir", "profile@a", "profile@b", "evaluate@a", "evaluate@b", "report")

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.beside: dict[str, set[str]] = {name: set() for name in self.names}
        self.lock = threading.Lock()

    def by_priority(self) -> tuple[str, ...]:
        return self.names

    def upstream(self, name: str) -> tuple[str, ...]:
        return {"model": (), "report": self.names[1:-1]}.get(name, ("model",))

    def exclusive(self, name: str) -> bool:
        return name.startswith("profile")

    def execute(self, name: str) -> Result:
        with self.lock:
            self.running.add(name)
            for other in self.running:
                self.beside[other] |= self.running - {other}
                self.beside[name] |= {other} - {name}
        time.sleep(0.05)
        with self.lock:
            self.running.remove(name)
        return Result(name, State.COMPLETED)


def test_profile_runs_with_nothing_beside_it() -> None:
    recorded = Recorded()
    outcome = scheduler._Run(recorded, 4).outcome()
    assert len(outcome.results) == len(recorded.names)
    assert recorded.beside["profile@a"] == recorded.beside["profile@b"] == recorded.beside["report"] == set()
    assert recorded.beside["ir"] == {"evaluate@a", "evaluate@b"}


def test_longest_chain_comes_first(tiny: Any) -> None:
    schedule = scheduler.Schedule(tiny.workspace)
    try:
        order = schedule.by_priority()
        assert order[:4] == ("guard", "model@alpha", "holdout@alpha--test", "calibration@alpha--calib")
        assert order[-1] == "report"
        assert order.index("ir@alpha--calib--plain") < order.index("evaluate@model--alpha")
        assert schedule.upstream("ir@alpha--calib--plain") == (AQ,)
    finally:
        schedule.close()


def test_stale_plan_stops_us_and_plain_dvc_in_one_line(built: Any) -> None:
    params = built.workspace.params_file
    params.write_text(params.read_text().replace("aq: plain", "aq: awq"))
    with pytest.raises(ConfigError, match=r"plan\.json .* is stale") as stale:
        built.run()
    result = built.dvc("repro", check=False)
    assert result.returncode != 0
    assert f"guard: {stale.value}\n" in result.stderr
    assert built.ran() == []


def test_set_param_of_an_experiment_needs_no_plan(built: Any) -> None:
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run([*git, "add", "-A"], cwd=built.root, check=True)
    subprocess.run([*git, "commit", "-qm", "all"], cwd=built.root, check=True)
    assert subprocess.run(
        ["git", "ls-files", "data", "reports", ".edgewright"], cwd=built.root, check=True, capture_output=True
    ).stdout == b""
    built.dvc("exp", "run", "-S", "aq.plain.bits=5", AQ)
    assert built.ran() == [AQ]


def test_artifacts_are_the_same_by_dvc_and_by_us(built: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make(tmp_path / "other")
    other.dvc("repro", AQ)
    found = other.digests()
    assert "data/aq/alpha--calib--plain" in found
    assert found.items() <= built.digests().items()


def test_dying_scheduler_takes_its_stages_with_it(tiny: Any) -> None:
    option(tiny, sleep=60)
    parent = subprocess.Popen([sys.executable, "-c", RUN], cwd=tiny.root, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any((tiny.root / "data" / "aq").glob(".alpha--calib--plain.partial-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    partial = next((tiny.root / "data" / "aq").glob(".alpha--calib--plain.partial-*"))
    stage = int(partial.name.rpartition("-")[2])
    os.kill(stage, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert is_gone(stage)


def test_a_workspace_in_a_folder_that_git_ignores_is_refused(tiny: Any, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=outer, check=True)
    (outer / ".gitignore").write_text("ignored/\n")
    shutil.copytree(tiny.root, outer / "ignored", ignore=shutil.ignore_patterns(".git"))
    with pytest.raises(ConfigError, match="folders that git ignores"):
        Schedule(Workspace(outer / "ignored"))

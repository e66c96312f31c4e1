"""The benchmarks import, and their workspaces are what the command line makes."""

import sys
from contextlib import nullcontext
from importlib import import_module
from itertools import pairwise

import pytest
import yaml

from benchmarks import caching, clone, fresh_clone, more_models, swap, workspace
from edgewright import config
from edgewright.files import write_json
from tests.support import ROOT

NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_says_what_it_measures(name):
    assert import_module(f"benchmarks.{name}").__doc__


def test_the_models_of_the_benchmark_are_configured():
    params = config.load(ROOT / "benchmarks/more_models.yaml")
    default = config.load(ROOT / "params.yaml")
    assert {"resnet8", "resnet20", "toycar", "stories260k"} == set(params.models)
    assert params.models["resnet8"] == default.models["resnet8"]


def test_digests_leave_samples_and_measurements_out(tmp_path):
    for name in ("samples/a", "profile/key/profile.json", "aq/key/layers.json"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({"name": name}))
    assert list(workspace.digests(tmp_path)) == ["aq/key/layers.json"]


def test_a_file_that_one_side_lacks_is_different():
    assert workspace.different({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "0", "d": "4"}) == ["b", "c", "d"]


def test_a_change_that_changes_nothing_ends_the_benchmark():
    assert workspace.replaced("a: 1, a: 1", "a: 1", "a: 2") == "a: 2, a: 1"
    with pytest.raises(SystemExit, match="nothing to change from 'clip: true'"):
        workspace.replaced("a: 1", "clip: true", "clip: false")


@pytest.mark.parametrize(("codes", "fails"), [((0,), True), ((0, 4), False), ((0, 2), True)])
def test_only_the_exit_codes_that_are_right_go_on(codes, fails, tmp_path):
    command = [sys.executable, "-c", "import os; print(os.environ['SAID']); raise SystemExit(4)"]
    with pytest.raises(SystemExit, match="exit code 4") if fails else nullcontext():
        assert workspace.call(command, tmp_path, codes=codes, variables={"SAID": "so"}) == "so\n"


def test_a_clone_whose_run_failed_is_wrong():
    wanted = {"aq/a/model": "1", "go/a/program.pt2": "2"}
    right = {"Cached": ["aq@a"], "Restored": ["go@a"], "Completed": ["report"]}
    assert clone.judge(right, wanted, wanted) == []
    assert clone.judge({"Failed": ["aq@a"], "Skipped": ["go@a"], "Completed": ["ir@a"]}, wanted, {}) == [
        "computed: ir@a", "failed: aq@a", "skipped: go@a", "differs: aq/a/model", "differs: go/a/program.pt2",
    ]


def test_a_step_of_caching_knows_what_must_run_and_what_must_not():
    step = caching.Step("a new target", "", ("go", "report"), "--xnnpack")
    right = {"Completed": ["go@a--xnnpack"], "Restored": ["report"], "Cached": ["go@a--onnxruntime", "aq@a"]}
    assert step.wrong({**right, "Completed": [*right["Completed"], "guard"]}) == []
    assert step.wrong({"Cached": ["go@a--xnnpack", "report"]}) == ["DID NOT RUN: go@a--xnnpack", "DID NOT RUN: report"]
    assert step.wrong({**right, "Completed": ["go@a--xnnpack", "aq@a"], "Cached": []}) == ["NOT EXPECTED: aq@a"]
    assert step.wrong({"Completed": ["report"]}) == ["NO SUCH INSTANCE: go@ of --xnnpack"]
    assert step.wrong({**right, "Failed": ["ir@a"]}) == ["FAILED: ir@a"]
    restored = caching.Step("changed back", "", ("report",), states=("Restored",))
    assert restored.wrong({"Completed": ["report"]}) == ["NOT RESTORED: report"]
    assert caching.Step("another order", "", optional="report").wrong({"Completed": ["report"]}) == []


def test_the_steps_of_caching_change_the_default():
    texts = [step.text for step in caching.steps((ROOT / "params.yaml").read_text())]
    assert all(before != after for before, after in pairwise(texts))


def test_a_swap_changes_one_field_of_the_default():
    default = (ROOT / "params.yaml").read_text()
    assert set(swap.others()) >= {"rtn"}
    assert "awq" not in swap.others()
    for name in [*swap.others(), "awq,rtn"]:
        before, after = (yaml.safe_load(text) for text in (default, swap.step(default, name).text))
        assert before["aq"][swap.RECIPE].pop("algorithms") == ["awq"]
        assert after["aq"][swap.RECIPE].pop("algorithms") == name.split(",")
        assert before == after


def test_a_swap_that_runs_what_lies_before_aq_is_wrong():
    step = swap.step((ROOT / "params.yaml").read_text(), "rtn")
    ran = [f"{stage}@english-llama--awq-w4" for stage in step.stages if stage != "report"]
    right = {"Completed": [*ran, "report"], "Cached": ["model@alpha", "go@resnet8--none"]}
    assert step.wrong(right) == []
    assert step.wrong({**right, "Cached": [], "Restored": ["model@alpha"]}) == ["NOT EXPECTED: model@alpha"]
    assert step.wrong({**right, "Failed": ["profile@x"]}) == ["FAILED: profile@x"]
    assert step.wrong({})


def test_a_line_of_the_swap_tells_failures_and_budgets():
    variant = {
        "aq": swap.RECIPE, "status": "rejected", "reason": "x", "stages": [{"stage": "aq", "metric": 45.5, "key": "k"}],
        "metric": {"compiled": 46.25, "float": 44.8}, "size_bytes": {"compiled": 4_560_000},
        "latency_ms": {"compiled": 7.5, "float": 15.0}, "details": {"weights": {"failures": [{}]}},
    }  # fmt: skip
    line = swap.row("gptq", {"variants": [variant]}, {"stages": {"aq@k": {"seconds": 12.4}}})
    assert line.split() == ["gptq", "45.500", "46.250", "44.800", "4.56", "MB", "7.50", "ms", "2.0×", "12", "s", "1",
                            "layers", "failed", "over", "budget"]  # fmt: skip
    assert swap.row("gptq", {"variants": [variant | {"status": "failed"}]}, {}).split() == ["gptq", "failed:", "x"]
    assert swap.row("gptq", {}, {}).split() == ["gptq", "failed:", "no", "report"]


def test_a_time_over_its_limit_counts():
    within = {"install": 360.0, "make demo": 800.0, "install and make demo": 900.0, "make demo, again": 10.0}
    assert fresh_clone.judge(within) == 0
    over = {name: limit + 1.0 for name, limit in fresh_clone.LIMITS.items()}
    assert fresh_clone.judge(over) == len(over) == 4


def test_classifiers_that_lose_too_much_or_leave_work_to_the_host_are_wrong(tmp_path):
    def build(drop, left, names=more_models.CLASSIFIERS):
        variants = []
        for name in names:
            for target in more_models.TARGETS:
                path = f"data/compile/{name}--{target}/model.pte"
                operators = left if target == "ethos-u85-256" else []
                write_json(tmp_path / path.replace("model.pte", "manifest.json"),
                           {"not_delegated": [{"operator": op} for op in operators]})
                metric = {"name": "top1", "float": 90.0, "compiled": 90.0 - drop}
                variants.append({"model": name, "target": target, "artifact": {"path": path}, "metric": metric})
        write_json(tmp_path / "reports/report.json", {"variants": variants})
        return more_models.judge(tmp_path)

    border = ["quantize_per_tensor", "dequantize_per_tensor"]
    assert build(0.25, border) == []
    assert build(0.5, border)[0] == "resnet8 on xnnpack: top1 drops by 0.50, not less than 0.5"
    assert build(0.0, ["relu", *border]) == [f"{name} on ethos-u85-256: 1 relu not delegated"
                                             for name in more_models.CLASSIFIERS]
    assert build(0.0, border, names=("resnet8",)) == [f"resnet20 on {target}: not built"
                                                      for target in more_models.TARGETS]

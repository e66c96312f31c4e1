import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewright.config import Params, load
from edgewright.engine import plan
from edgewright.engine.workspace import STAGES, Workspace
from edgewright.errors import ConfigError
from edgewright.targets.cost_table import CostTable

REPOSITORY = Path(__file__).parents[2]

PARAMS: dict[str, Any] = {
    "models": {"m": {"task": "regression", "source": "model", "calibration": "c", "holdout": "h"}},
    "data": {"c": {"source": "c.csv"}, "h": {"source": "h.csv"}},
    "aq": {"none": {}, "a4": {"bits": 4}, "a8": {"bits": 8}},
    "gq": {"none": {}, "w8a8": {"weights": {"bits": 8}}},
    "variants": [{"model": "m", "aq": ["none", "a4"], "gq": "w8a8", "target": ["t1", "t2"]}],
    "evaluate": {},
    "profile": {},
}


def params(**changes: Any) -> Params:
    return Params.model_validate(PARAMS | changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    for name in ("c.csv", "h.csv"):
        (tmp_path / name).touch()
    return tmp_path


def build(root: Path, *, float_build: bool = True, **changes: Any) -> plan.Plan:
    return plan.build(params(**changes), root=root, float_build=lambda target: float_build)


def test_each_shared_prefix_is_there_once(root: Path) -> None:
    found = build(root)
    assert {stage: len(found[stage]) for stage in STAGES} == {
        "model": 1, "holdout": 1, "calibration": 1, "aq": 2, "ir": 2, "go": 4, "gq": 6, "compile": 6,
        "evaluate": 1 + 1 + 4 + 4 + 6, "profile": 4,
    }
    assert found["gq"]["m--c--a4--t1--w8a8"] == {
        "model": "m", "go": "m--c--a4--t1", "calibration": "m--c", "target": "t1", "scheme": "w8a8",
            "encodings": "stages/gq.py", "tuned": "stages/__init__.py", "costs": "stages/go.py",
    }


def test_variant_carries_its_whole_chain_and_the_float_build(root: Path) -> None:
    variant = build(root)["variants"][2]
    assert variant["name"] == "m--a4--w8a8--t1"
    assert variant["keys"]["go"] == "m--c--a4--t1"
    assert variant["evaluate"] == {
        "model": "model--m", "aq": "aq--m--c--a4", "go": "go--m--c--a4--t1",
        "gq": "gq--m--c--a4--t1--w8a8", "compile": "compile--m--c--a4--t1--w8a8",
    }
    assert variant["float"]["keys"]["compile"] == "m--c--none--t1--none"
    assert variant["float"]["evaluate"] == {"compile": "compile--m--c--none--t1--none"}


def test_every_key_that_an_item_names_exists(root: Path) -> None:
    found = build(root)
    for stage in STAGES:
        for item in found[stage].values():
            for field in set(item) & set(STAGES):
                assert item[field] in found[field]
            if stage == "evaluate":
                assert item["artifact"] in found[item["stage"]]


def test_target_without_float_build_is_its_own_baseline(root: Path) -> None:
    found = build(root, float_build=False)
    assert all(variant["float"] is None for variant in found["variants"])
    assert all(item["float"] == item["compile"] for item in found["profile"].values())
    assert not any(key.endswith("--none") for key in found["compile"])


def test_float_variant_is_profiled_by_itself(root: Path) -> None:
    found = build(root, variants=[{"model": "m", "target": "t1"}])
    assert found["profile"] == {
        "m--c--none--t1--none": {
            "model": "m", "compile": "m--c--none--t1--none", "float": "m--c--none--t1--none",
            "calibration": "m--c", "target": "t1",
        }
    }
    assert set(found["evaluate"]) == {"model--m", "go--m--c--none--t1", "compile--m--c--none--t1--none"}


def test_only_structure_is_in_the_plan(root: Path) -> None:
    changed = build(root, aq=PARAMS["aq"] | {"a4": {"bits": 3}}, profile={"runs": 7})
    assert changed == build(root)


def test_repeated_variant_is_refused(root: Path) -> None:
    twice = [*PARAMS["variants"], {"model": "m", "aq": "a4", "gq": "w8a8", "target": "t2"}]
    with pytest.raises(ConfigError, match=r"variants\[1\]: repeats m--a4--w8a8--t2 of variants\[0\]"):
        build(root, variants=twice)


def test_tracked_section_must_be_written_down(root: Path) -> None:
    values = {key: value for key, value in PARAMS.items() if key != "profile"}
    with pytest.raises(ConfigError, match=r"profile: missing"):
        plan.build(Params.model_validate(values), root=root, float_build=lambda target: True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("model/", "model"), ("org/tiny-llama", "stages/model.py"), ("gpt2", "stages/model.py")],
)
def test_model_source_is_a_path_that_dvc_can_see(root: Path, source: str, expected: str) -> None:
    models = {"m": PARAMS["models"]["m"] | {"source": source}}
    assert build(root, models=models)["model"]["m"] == {"source": expected}


@pytest.mark.parametrize("source", ["data/models/missing/x", "missing.csv", "./missing"])
def test_missing_source_is_one_line(root: Path, source: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.c\.source: no file or folder"):
        build(root, data=PARAMS["data"] | {"c": {"source": source}})


def test_missing_weights_is_one_line(root: Path) -> None:
    model = {"task": "regression", "factory": "a:b", "weights": "w.safetensors", "input": {"shape": [1]}}
    with pytest.raises(ConfigError, match=r"models\.m\.weights: no file w\.safetensors"):
        build(root, models={"m": model | {"calibration": "c", "holdout": "h"}})


def test_a_cost_table_is_an_input_of_gq_and_must_fit(root: Path) -> None:
    search = {"candidates": ["w8a8", "float"], "accept": {"snr_db": 20}, "cost": "costs/t.json"}
    gq = {**PARAMS["gq"], "w8a8": {"weights": {"bits": 8}, "search": search}}
    with pytest.raises(ConfigError, match=r"search\.cost: no file costs/t\.json; with cost: bytes .*`edgewright costs"):
        build(root, gq=gq)
    table = CostTable("t1", "ms", "x", None, {"w8a8": {"a": 1.0}, "float": {"a": 2.0}})
    table.write(root / "costs/t.json")
    with pytest.raises(ConfigError, match="the table is of target t1, not of t2"):
        build(root, gq=gq)
    one = [{"model": "m", "gq": "w8a8", "target": "t1"}]
    item = build(root, gq=gq, variants=one)["gq"]["m--c--none--t1--w8a8"]
    assert item["costs"] == "costs/t.json"


def test_synthetic_data_depends_on_the_stage_alone(root: Path) -> None:
    data = PARAMS["data"] | {"c": {"synthetic": {}, "samples": 4}}
    assert build(root, data=data)["calibration"]["m--c"]["source"] == "stages/calibration.py"


def test_written_plan_is_current_and_written_once(tiny: Any) -> None:
    files = [tiny.workspace.plan_file, tiny.workspace.code_file, tiny.workspace.dvc_file]
    before = [path.read_bytes() for path in files]
    assert plan.check(tiny.workspace) is None
    assert plan.write(tiny.workspace) == []
    for path in files[:2]:
        path.unlink()
    assert plan.write(tiny.workspace) == ["plan.json", "code.json"]
    assert [path.read_bytes() for path in files] == before


def test_a_plan_that_cannot_be_written_leaves_the_old_one(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.workspace.dvc_file.read_bytes()

    def killed(path: Path, text: str, encoding: str = "utf-8") -> None:
        path.write_bytes(text.encode()[:100])
        raise KeyboardInterrupt

    values = yaml.safe_load(tiny.workspace.params_file.read_text())
    values["variants"][0]["model"] = "beta"
    tiny.workspace.params_file.write_text(yaml.safe_dump(values))
    tiny.workspace.plan_file.write_text(json.dumps({"plan": plan.build(tiny.workspace.params(), root=tiny.root)}))
    tiny.workspace.code_file.write_text(json.dumps(plan._wanted(tiny.workspace)[tiny.workspace.code_file]))
    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        plan.write(tiny.workspace)
    assert tiny.workspace.dvc_file.read_bytes() == before
    assert not list(tiny.root.glob(".*.partial-*"))


def test_check_names_what_is_stale(tiny: Any) -> None:
    code = json.loads(tiny.workspace.code_file.read_text())
    code["aq"]["plain"] = "0" * 64
    tiny.workspace.code_file.write_text(json.dumps(code))
    values = yaml.safe_load(tiny.workspace.params_file.read_text())
    values["variants"][0]["model"] = "beta"
    tiny.workspace.params_file.write_text(yaml.safe_dump(values))
    stale = plan.check(tiny.workspace)
    assert stale is not None
    assert "plan.json (" in stale
    assert "code.json (aq.plain, factory.alpha, factory.beta)" in stale
    assert "dvc.yaml is stale" in stale
    assert stale.count("\n") == 0


def test_report_reads_what_the_plan_lists(tiny: Any) -> None:
    stages = yaml.safe_load(tiny.workspace.dvc_file.read_text())["stages"]
    assert "data/evaluate/model--alpha" in stages["report"]["deps"]
    assert "data/profile/alpha--calib--plain--xnnpack--w8a8" in stages["report"]["deps"]
    tiny.edit(lambda values: values["variants"][0].update(model="beta"))
    stages = yaml.safe_load(tiny.workspace.dvc_file.read_text())["stages"]
    assert not any("alpha" in path for path in stages["report"]["deps"])


def test_dvc_yaml_without_the_marker_lines_is_refused(tiny: Any) -> None:
    text = tiny.workspace.dvc_file.read_text().replace("# end of the generated part", "#")
    tiny.workspace.dvc_file.write_text(text)
    with pytest.raises(ConfigError, match=r"dvc\.yaml: the lines"):
        plan.check(tiny.workspace)


def test_the_default_is_planned_in_less_than_a_second() -> None:
    workspace = Workspace(REPOSITORY)
    plan.check(workspace)
    start = time.process_time()
    plan.check(workspace)
    assert time.process_time() - start < 1.0
    assert len(plan.build(load(workspace.params_file), root=REPOSITORY)["variants"]) == 4

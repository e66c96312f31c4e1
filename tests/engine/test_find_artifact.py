import pytest

from edgewright.engine import find_artifact, plan
from edgewright.errors import ConfigError, InputError
from tests.engine.workspace import make

KEY = "alpha--calib--plain--xnnpack--w8a8"


@pytest.fixture
def workspace(tmp_path):
    tiny = make(tmp_path)
    plan.write(tiny.workspace)
    for stage, key in (("model", "alpha"), ("go", KEY.removesuffix("--w8a8")), ("gq", KEY), ("compile", KEY),
                       ("calibration", "alpha--calib")):  # fmt: skip
        tiny.workspace.artifact(stage, key).mkdir(parents=True)
    (tiny.workspace.artifact("calibration", "alpha--calib") / "sample.parquet").write_bytes(b"")
    return tiny


def test_stages_of_the_only_variant(workspace):
    found = find_artifact.find(workspace.workspace, ["float", "gq", "compiled"])
    assert [(item.stage, item.key) for item in found] == [("model", "alpha"), ("gq", KEY), ("compile", KEY)]
    root = workspace.workspace
    assert find_artifact.source(root, found[2]) == root.artifact("gq", KEY) / "program.pt2"
    assert find_artifact.source(root, found[1]) is None
    sample = root.artifact("calibration", "alpha--calib") / "sample.parquet"
    assert [find_artifact.calibration(root, item) for item in found] == [sample] * 3
    assert find_artifact.batch(root, found[0]) == 1


def test_paths_and_instances(workspace, monkeypatch):
    monkeypatch.chdir(workspace.root)
    (workspace.root / "own.pt2").write_bytes(b"")
    found = find_artifact.find(workspace.workspace, [f"data/gq/{KEY}", f"compile@{KEY}", "own.pt2"])
    assert [(item.stage, item.key) for item in found] == [("gq", KEY), ("compile", KEY), (None, None)]
    assert find_artifact.calibration(workspace.workspace, found[2]) is None


def test_several_variants_are_one_where_their_artifacts_are(workspace):
    variant = {"model": "alpha", "aq": "plain", "gq": "w8a8"}
    workspace.edit(lambda values: values.update(variants=[variant | {"target": ["xnnpack", "onnxruntime"]}]))
    plan.write(workspace.workspace)
    (found,) = find_artifact.find(workspace.workspace, ["float"])
    assert found.key == "alpha"
    with pytest.raises(ConfigError, match="which variant is meant is open: give --variant.*xnnpack, .*onnxruntime"):
        find_artifact.find(workspace.workspace, ["float", "gq"])
    assert find_artifact.find(workspace.workspace, ["gq"], "alpha*xnn")[0].key == KEY
    with pytest.raises(ConfigError, match=r"unknown variant 'alfa--plain--w8a8--xnnpack' \(did you mean 'alpha--plain"):
        find_artifact.find(workspace.workspace, ["gq"], "alfa--plain--w8a8--xnnpack")


@pytest.mark.parametrize(("text", "error", "message"), [
    ("flot", ConfigError, r"'flot' is no path and no stage \(did you mean 'float'\?\); stages: float, aq"),
    ("gq@alpha", ConfigError, r"gq@alpha: the plan has no such instance"),
    ("data/gq/none", InputError, "data/gq/none: no such file or folder"),
    ("none.pt2", InputError, "none.pt2: no such file or folder"),
    ("ir", InputError, "data/ir/alpha--calib--plain: not built yet; `edgewright run` builds it"),
])
def test_what_is_not_there(workspace, text, error, message):
    with pytest.raises(error, match=message):
        find_artifact.find(workspace.workspace, [text])

"""`edgewright probe` in a workspace whose artifacts are real, and outside of one."""

import json
import shutil

import pytest
import yaml

from edgewright import gq, ir, targets
from edgewright.config import GqScheme
from edgewright.models.load import PROGRAM
from edgewright.models.spec import InputSpec, ModelSpec
from tests.cli.workspace import call
from tests.engine.workspace import Tiny
from tests.gq.nets import noise, sample_of, scheme, small

KEY = "alpha--calib--plain--xnnpack--w8a8"


@pytest.fixture
def probed(fresh: Tiny) -> Tiny:
    """The small net as float model, as go and as gq leave it, and its calibration sample."""
    workspace, program, sample = fresh.workspace, small(), sample_of(noise(6))
    made = gq.quantize(program, targets.load("xnnpack"), scheme(), sample).program
    for stage, key, item in (("go", KEY.removesuffix("--w8a8"), program), ("gq", KEY, made)):
        folder = workspace.artifact(stage, key)
        folder.mkdir(parents=True)
        ir.save(item, folder / "program.pt2")
    model = workspace.artifact("model", "alpha")
    model.mkdir(parents=True)
    ir.save(program, model / PROGRAM)
    ModelSpec("program", "regression", (InputSpec("x", (3, 8, 8), "float32"),), 10).write(model)
    sample.save(workspace.artifact("calibration", "alpha--calib") / "sample.parquet")
    return fresh


def test_the_table_is_worst_first_and_names_what_is_the_matter(probed: Tiny):
    done = call(probed.root, "probe", "float", "gq")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "gq against float, 6 rows, what does most harm first"
    assert lines[2].split() == ["operator", "share", "local", "dB", "SNR", "dB", "cosine", "MSE", "max"]
    shares = [float(line.partition(" %")[0].split()[-1]) for line in lines[3:9]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert "output: SNR " in done.stdout
    assert "sum of the parts: " in done.stdout
    drawn = call(probed.root, "probe", "go", "gq", "--histograms", "--no-parts").stdout
    assert "conv1 conv2d+relu: weights" in drawn
    assert "█" in drawn
    assert "share" not in drawn.splitlines()[1]


def test_json_has_what_the_table_has_and_histograms(probed: Tiny):
    done = call(probed.root, "probe", "go", "gq", "--json", "probe.json", "--rows", "3")
    assert done.returncode == 0, done.stderr
    value = json.loads((probed.root / "probe.json").read_text())
    assert value["samples"] == 3
    assert len(value["modules"]) == 6
    by_scope = {item["scope"]: item for item in value["modules"]}
    assert by_scope["head"]["yaml"] == ["head: float"]
    assert sum(by_scope["head"]["activations"]["first"]) == 3 * 4
    assert by_scope["head"]["weights"]["figures"]["snr_db"] > 30


def test_the_yaml_lines_go_into_params_yaml(probed: Tiny):
    printed = call(probed.root, "probe", "float", "gq", "--yaml", "--all").stdout
    layers = yaml.safe_load(printed)
    assert set(layers.values()) == {"float"}
    probed.edit(lambda values: values["gq"]["w8a8"].update(layers=layers))
    assert call(probed.root, "validate").returncode == 0
    changed = GqScheme.model_validate(yaml.safe_load((probed.root / "params.yaml").read_text())["gq"]["w8a8"])
    result = gq.quantize(small(), targets.load("xnnpack"), changed, sample_of(noise(6)))
    assert result.encodings["tensors"] == []
    assert result.encodings["weights"] == []


def test_any_two_programs_outside_of_a_workspace(probed: Tiny, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(probed.workspace.artifact("go", KEY.removesuffix("--w8a8")) / "program.pt2", folder / "a.pt2")
    shutil.copy(probed.workspace.artifact("gq", KEY) / "program.pt2", folder / "b.pt2")
    sample = probed.workspace.artifact("calibration", "alpha--calib") / "sample.parquet"
    done = call(folder, "probe", "a.pt2", "b.pt2", "--sample", str(sample))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("b.pt2 against a.pt2, 6 rows")
    assert call(folder, "probe", "a.pt2", "b.pt2").returncode == 2


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("flot", "gq"), 2, "did you mean 'float'"),
    (("float", "gq", "--variant", "beta"), 2, "unknown variant 'beta'"),
    (("nothing.pt2", "gq"), 3, "nothing.pt2: no such file or folder"),
    (("params.yaml", "gq"), 3, "params.yaml: not an artifact"),
    (("float", "gq", "--sample", "none.parquet"), 3, "none.parquet: no such sample"),
    (("float", "compiled"), 3, "not built yet; `edgewright run` builds it"),
])
def test_a_mistake_is_one_line(probed: Tiny, arguments, code, message):
    done = call(probed.root, "probe", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_sample_it_asks_for_one(probed: Tiny):
    (probed.workspace.artifact("calibration", "alpha--calib") / "sample.parquet").unlink()
    done = call(probed.root, "probe", "float", "gq")
    assert done.returncode == 3
    assert done.stderr == "error: no calibration sample of float or gq is here: give --sample FILE\n"

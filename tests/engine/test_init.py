"""What a new workspace holds."""

import subprocess
import sys

import pytest
import yaml

from edgewright import config
from edgewright.engine import plan
from edgewright.engine.first_params import Choice
from edgewright.engine.init import SHAPE, init, workspace_files
from edgewright.errors import ConfigError
from tests.engine.workspace import REPOSITORY

SAMPLES = REPOSITORY / "data/samples"


def contents(path):
    """Relative names and bytes of a file or folder."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    kept = [item for item in files if "__pycache__" not in item.parts]
    return {item.relative_to(path.parent).as_posix(): item.read_bytes() for item in kept}


def test_a_workspace_equals_the_repository_root(tmp_path):
    init(tmp_path / "new", sample=True)
    assert workspace_files() == REPOSITORY
    for name in (*SHAPE, "params.yaml"):
        found, wanted = contents(tmp_path / "new" / name), contents(REPOSITORY / name)
        assert found.keys() == wanted.keys()
        for file in found:
            assert found[file] == wanted[file], file
    assert "stages/aq.py" in contents(tmp_path / "new" / "stages")
    assert "flows/optimize.py" in contents(tmp_path / "new" / "flows")
    for name in ("config", ".gitignore"):
        assert (tmp_path / "new/.dvc" / name).read_text() == (REPOSITORY / ".dvc" / name).read_text()
    assert subprocess.run([sys.executable, "-m", "dvc", "root"], cwd=tmp_path / "new", check=False).returncode == 0
    assert (tmp_path / "new/.git").is_dir()
    assert contents(tmp_path / "new/data/samples") == contents(SAMPLES)
    left = [".dvc.yaml.partial-1", "reports/.run.json.partial-1", "data/guard/.checked.json.partial-1"]
    for command in (["git"], [sys.executable, "-m", "dvc"]):
        done = subprocess.run(
            [*command, "check-ignore", *left], cwd=tmp_path / "new", check=False, capture_output=True, text=True
        )
        assert done.stdout.split() == left


def test_the_wheel_takes_the_same_files():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {name: f"edgewright/_workspace/{name}" for name in (*SHAPE, "params.yaml")}


def test_without_the_samples_params_say_so(tmp_path):
    init(tmp_path / "new")
    text = (tmp_path / "new/params.yaml").read_text()
    assert text.startswith("# An example: its models and samples are not in this folder.")
    assert text.endswith((REPOSITORY / "params.yaml").read_text())
    assert not (tmp_path / "new/data").exists()


def test_inside_a_repository_that_is_there(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/.gitignore").write_text("mine\n")
    init(tmp_path / "sub")
    assert not (tmp_path / "sub/.git").exists()
    ignored = (tmp_path / "sub/.gitignore").read_text().splitlines()
    assert ignored[0] == "mine"
    assert "/data/*/*" in ignored
    with pytest.raises(ConfigError, match="exist already; give a new folder"):
        init(tmp_path / "sub")


def test_a_choice_makes_a_valid_variant(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    llama = Choice("data/samples/models/english_llama", "data/samples/english_calib.parquet", "xnnpack")
    init(tmp_path / "llama", llama)
    params = config.load(tmp_path / "llama/params.yaml")
    assert list(params.models) == ["english_llama"]
    assert params.models["english_llama"].task == "language-modeling"
    assert (params.variants[0].aq, params.variants[0].gq) == (("awq-w4",), ("w4a8-dynamic",))
    image = Choice(
        "nets.small:create", "data/samples/cifar10_calib.parquet", "ethos-u85-256", task="image-classification",
        weights="data/samples/models/resnet8_cifar10/model.safetensors", shape=(3, 32, 32),
    )
    init(tmp_path / "image", image)
    params = config.load(tmp_path / "image/params.yaml")
    assert params.models["small"].factory == "nets.small:create"
    assert params.variants[0].gq == ("w8a8",)
    calibration, holdout = params.data["calibration"], params.data["holdout"]
    import pyarrow.parquet

    rows = pyarrow.parquet.read_metadata(SAMPLES / "cifar10_calib.parquet").num_rows
    assert (calibration.samples or 0) + (holdout.samples or 0) <= rows
    assert calibration.seed != holdout.seed
    hub = Choice("HuggingFaceTB/SmolLM2-135M", "Salesforce/wikitext", "xnnpack", task="language-modeling")
    init(tmp_path / "hub", hub)
    values = yaml.safe_load((tmp_path / "hub/params.yaml").read_text())
    assert values["models"]["smollm2-135m"]["source"] == "HuggingFaceTB/SmolLM2-135M"
    assert values["data"]["holdout"]["split"] == "train"


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.2-1B"])
def test_a_hub_id_with_a_dot_is_no_file_name(tmp_path, model):
    init(tmp_path / "new", Choice(model, "Salesforce/wikitext", "xnnpack", task="language-modeling"))
    params = config.load(tmp_path / "new/params.yaml")
    assert [entry.source for entry in params.models.values()] == [model]
    found = plan.build(params, root=tmp_path / "new")
    assert [item["source"] for item in found["model"].values()] == ["stages/model.py"]

"""What is wrong with the data of params.yaml is found before anything is computed."""

import pytest
import yaml

from edgewright.engine.validate import validate
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError
from tests.support import ROOT


@pytest.fixture
def mistakes(tmp_path):
    """A function that tells the mistakes of the default params.yaml with changes to its entry cifar10-calib."""
    (tmp_path / "data").symlink_to(ROOT / "data")

    def found(**changes: object) -> list[str]:
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        values["data"]["cifar10-calib"] |= changes
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
        errors = validate(Workspace(tmp_path))
        assert all(isinstance(error, ConfigError) for error in errors)
        return [str(error) for error in errors]

    return found


@pytest.mark.parametrize("changes", [{"split": "test"}, {"name": "plain"}])
def test_split_and_name_of_a_local_file(mistakes, changes):
    assert mistakes() == []
    assert mistakes(**changes) == [
        "params.yaml: data.cifar10-calib: data/samples/cifar10_calib.parquet: split and name go with a Hugging Face"
        " dataset; name the file of the split"
    ]


def test_a_hub_dataset_needs_its_split(mistakes):
    assert mistakes(source="nobody/nothing", split="train") == []
    [mistake] = mistakes(source="nobody/nothing")
    assert mistake.startswith("params.yaml: data.cifar10-calib: nobody/nothing: a Hugging Face dataset needs split")


@pytest.mark.parametrize("source", ["train.tsv", "data/train.tsv", "x.json", "pictures.v2/a.png", "data/train"])
def test_a_missing_file_is_no_hub_id(mistakes, source):
    assert mistakes(source=source) == [
        f"params.yaml: data.cifar10-calib.source: no file or folder {source}, and no Hugging Face id"
    ]

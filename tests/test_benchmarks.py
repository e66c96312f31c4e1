"""The benchmarks import, and their workspaces are what the command line makes."""

from importlib import import_module

import pytest
import yaml

from benchmarks import workspace
from edgewright import config
from tests.support import ROOT

NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_says_what_it_measures(name):
    assert import_module(f"benchmarks.{name}").__doc__


def test_the_models_of_the_benchmark_are_configured():
    params = config.load(ROOT / "benchmarks/more_models.yaml")
    assert {"resnet20", "toycar", "stories260k"} == set(params.models)


def test_digests_leave_samples_and_measurements_out(tmp_path):
    for name in ("samples/a", "profile/key/profile.json", "aq/key/layers.json"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({"name": name}))
    assert list(workspace.digests(tmp_path)) == ["aq/key/layers.json"]

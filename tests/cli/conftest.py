"""Workspaces for the tests of the command line."""

import shutil
from pathlib import Path

import pytest

from edgewright.engine.workspace import Workspace
from tests.cli.workspace import build, call
from tests.engine.workspace import Tiny, environment


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A planned workspace that nothing was built in."""
    environment(monkeypatch)
    (tmp_path / "workspace").mkdir()
    return build(tmp_path / "workspace")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, str]:
    """A workspace that was run once with `edgewright run`, and what that printed; leave it as it is."""
    root = tmp_path_factory.mktemp("first") / "workspace"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        environment(patch)
        tiny = build(root)
        done = call(root, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return tiny, done.stdout


@pytest.fixture
def ready(first: tuple[Tiny, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A copy of `first`, to be changed at will."""
    environment(monkeypatch)
    shutil.copytree(first[0].root, tmp_path / "ready", symlinks=True)
    return Tiny(Workspace(tmp_path / "ready"))

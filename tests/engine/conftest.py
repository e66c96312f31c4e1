"""Workspaces of tiny stages, planned or built."""

import shutil
from pathlib import Path

import pytest

from edgewright.engine.workspace import Workspace
from tests.engine.workspace import Tiny, environment, make


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A planned workspace of one variant, whose stages run in `python` of this environment."""
    environment(monkeypatch)
    root = tmp_path / "workspace"
    root.mkdir()
    return make(root)


@pytest.fixture(scope="session")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("built") / "workspace"
    root.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        environment(monkeypatch)
        tiny = make(root)
        tiny.first = tiny.run(jobs=2)
    assert tiny.first.exit_code == 0
    tiny.first_ran = tiny.ran()
    return tiny


@pytest.fixture
def built(_built: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A workspace in which everything is up to date, with its cache."""
    environment(monkeypatch)
    shutil.copytree(_built.root, tmp_path / "built", symlinks=True)
    return Tiny(
        Workspace(tmp_path / "built"), first=_built.first, first_events=_built.events, first_ran=_built.first_ran
    )

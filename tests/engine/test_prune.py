"""What prune removes, and what it leaves alone."""

import pytest

from edgewright.engine import prune
from tests.engine import chain
from tests.engine.workspace import environment


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    environment(monkeypatch)
    return chain.make(tmp_path / "workspace")


def test_only_artifacts_of_dropped_variants_go(workspace):
    root = workspace.root
    assert prune.dropped(workspace) == ()
    chain.write_plan(root, model="alpha", aq="other", compile="other")
    (root / "data/aq/by-hand").mkdir()
    (root / "data/samples").mkdir()
    (root / ".edgewright/logs").mkdir(parents=True)
    log = root / ".edgewright/logs/aq--alpha--plain.log"
    log.write_text("")

    found = prune.dropped(workspace)
    assert [(item.path, item.restorable) for item in found] == [
        ("data/aq/alpha--plain", True), ("data/aq/by-hand", False), ("data/compile/alpha--plain--xnnpack", True),
    ]
    folder = root / "data/aq/alpha--plain"
    assert found[0].size_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert (root / "data/aq/alpha--plain").is_dir()

    prune.remove(workspace, [found[0], found[2]])
    left = sorted(path.relative_to(root).as_posix() for path in root.glob("data/*/*"))
    assert left == ["data/aq/by-hand", "data/model/alpha"]
    assert (root / "data/samples").is_dir()
    assert not log.exists()
    assert [item.path for item in prune.dropped(workspace)] == ["data/aq/by-hand"]

    assert chain.repro(root) == []
    assert (root / "data/compile/alpha--plain--xnnpack/artifact.json").is_file()


def test_a_deleted_lock_does_not_hide_what_can_be_restored(workspace):
    workspace.lock_file.unlink()
    chain.write_plan(workspace.root, model="alpha", aq="alpha--plain")
    assert [item.restorable for item in prune.dropped(workspace)] == [True]


def test_an_artifact_that_was_changed_since_is_not_restorable(workspace):
    chain.write_plan(workspace.root, model="alpha", aq="alpha--plain")
    (workspace.artifact("compile", "alpha--plain--xnnpack") / "notes.txt").write_text("by hand")
    assert [item.restorable for item in prune.dropped(workspace)] == [False]

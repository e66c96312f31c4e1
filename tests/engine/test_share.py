"""Pushing and pulling with a shared folder as the remote."""

from pathlib import Path

import pytest

from edgewright.engine import plan, share
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError, InputError
from tests.engine import chain
from tests.engine.workspace import Tiny, environment


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    """A workspace that was run and committed with 8 bits, and run with 4 bits without a commit."""
    root = tmp_path_factory.mktemp("author") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        environment(patch)
        chain.make(root)
        chain.set_bits(root, 4)
        assert chain.repro(root) == ["aq", "compile"]
        chain.shell(root, "git checkout -q params.yaml dvc.lock")
        yield root


def clone(author: Path, folder: Path) -> Path:
    chain.shell(author.parent, f"git clone -q {author} {folder}")
    return folder


def test_a_clone_restores_what_was_never_committed(author, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pushed = share.push(author, "./remote")
    assert pushed == share.Transfer(str(tmp_path / "remote"), objects=8, entries=5, incomplete=0)
    assert share.push(author, "./remote").objects == 0
    here = clone(author, tmp_path / "clone")
    pulled = share.pull(here, "./remote")
    assert (pulled.objects, pulled.entries, pulled.incomplete) == (8, 5, 0)
    assert '"bits": 8' in artifact(here, "aq").read_text()
    assert chain.repro(here) == []
    chain.set_bits(here, 4)
    assert chain.repro(here) == []
    assert '"bits": 4' in artifact(here, "aq").read_text()
    assert share.pull(here, "./remote").objects == 0


def test_a_broken_entry_is_not_taken(author, tmp_path):
    remote = tmp_path / "remote"
    share.push(author, str(remote))
    entries = sorted((remote / "runs").glob("*/*/*"))
    entries[0].write_text(entries[0].read_text()[:40])
    (entries[1].parent / ".tmp").write_text("cmd: leftover\n")
    here = clone(author, tmp_path / "clone")
    moved = share.pull(here, str(remote))
    assert (moved.entries, moved.incomplete) == (4, 1)
    assert len(list((here / ".dvc/cache/runs").glob("*/*/*"))) == 4


def test_an_entry_without_its_files_is_not_pushed(author, tmp_path):
    here = clone(author, tmp_path / "clone")
    chain.repro(here)
    chain.shell(here, "find .dvc/cache/files -type f -delete")
    moved = share.push(here, str(tmp_path / "remote"))
    assert (moved.objects, moved.entries, moved.incomplete) == (0, 0, 3)
    assert not (tmp_path / "remote" / "runs").exists()


def test_files_missing_on_the_remote_are_counted(author, tmp_path):
    remote = tmp_path / "remote"
    share.push(author, str(remote))
    contents = {path: path.read_text() for path in (remote / "files").rglob("*") if path.is_file()}
    next(path for path, content in contents.items() if content.endswith('"bits": 4}')).unlink()
    assert share.pull(clone(author, tmp_path / "clone"), str(remote)).incomplete == 1


def test_a_hand_changed_artifact_is_not_overwritten(author, tmp_path):
    remote = tmp_path / "remote"
    share.push(author, str(remote))
    here = clone(author, tmp_path / "clone")
    share.pull(here, str(remote))
    artifact(here, "aq").write_text("mine")
    with pytest.raises(InputError, match="pull: cannot put the artifacts in place"):
        share.pull(here, str(remote))
    assert artifact(here, "aq").read_text() == "mine"


@pytest.mark.parametrize(
    ("remote", "error", "message"),
    [
        (None, ConfigError, "no default remote; `dvc remote add -d NAME URL`"),
        ("team", ConfigError, "no remote or folder 'team'"),
        ("teem2", ConfigError, "did you mean 'team2'"),
        ("https://example.invalid/store", ConfigError, "HTTP keeps no run-cache"),
        ("/nowhere/at/all", InputError, "/nowhere/at/all does not exist; nobody has pushed"),
    ],
)
def test_a_wrong_remote_is_one_line(author, tmp_path, remote, error, message):
    here = clone(author, tmp_path / "clone")
    if remote == "teem2":
        chain.shell(here, "dvc remote add -q team2 ../team2")
    with pytest.raises(error) as caught:
        share.pull(here, remote)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_workspace(tmp_path):
    with pytest.raises(ConfigError, match=r"no \.dvc folder"):
        share.push(tmp_path)


def artifact(root: Path, stage: str) -> Path:
    return root / "data" / stage / chain.KEYS[stage] / "artifact.json"


def test_the_pipeline_computes_nothing_after_a_pull(built: Tiny, tmp_path):
    share.push(built.root, str(tmp_path / "remote"))
    here = tmp_path / "clone"
    built.workspace.lock_file.unlink()
    (built.root / "ran.log").unlink(missing_ok=True)
    chain.commit(built.root)
    chain.shell(built.root, f"git clone -q . {here}")
    share.pull(here, str(tmp_path / "remote"))
    mate = Tiny(Workspace(here))
    plan.write(mate.workspace)
    assert mate.run().exit_code == 0
    assert mate.ran() == []
    assert mate.digests() == built.digests()

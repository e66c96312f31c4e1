"""An artifact against the lock, and its lineage."""

import json
import shutil

import pytest
import yaml

from edgewright.engine.verify import md5_of, verify
from edgewright.engine.workspace import Workspace
from edgewright.errors import InputError
from edgewright.files import sha256_file
from tests.engine import chain
from tests.engine.workspace import environment


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        environment(patch)
        yield chain.make(tmp_path_factory.mktemp("verify") / "workspace")


@pytest.fixture
def built(original, tmp_path):
    """A copy of the built workspace, to be changed at will."""
    shutil.copytree(original.root, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def folder(workspace: Workspace, stage: str):
    return workspace.artifact(stage, chain.KEYS[stage])


def test_everything_is_as_recorded(original):
    compiled = folder(original, "compile")
    found = verify(original, compiled / "artifact.json")
    assert found.problems == ()
    assert found.path == "data/compile/alpha--plain--xnnpack"
    assert found.sha256 == sha256_file(compiled / "artifact.json")
    assert found.commit == chain.shell(original.root, "git rev-parse HEAD")
    assert not found.dirty
    assert found.versions == {"tool": "1.2"}
    assert [step.name for step in found.steps] == [
        "compile@alpha--plain--xnnpack", "aq@alpha--plain", "model@alpha",
    ]
    assert found.steps[1].params == {"params.yaml": {"aq.plain": {"bits": 8}}}
    source = {"source.txt": md5_of(original.root / "source.txt")}
    assert [dict(step.sources) for step in found.steps] == [{}, {}, source]
    assert verify(original, compiled).sha256 == found.sha256


def test_digests_are_those_of_dvc(original):
    stages = yaml.safe_load(original.lock_file.read_text())["stages"]
    outs = [out for stage in stages.values() for out in (*stage["outs"], *stage["deps"])]
    assert {out["md5"].endswith(".dir") for out in outs} == {True, False}
    for out in outs:
        assert md5_of(original.root / out["path"]) == out["md5"], out["path"]


def test_a_copy_is_found_by_its_bytes(original, tmp_path):
    copy = tmp_path / "from-the-board.pte"
    shutil.copy(folder(original, "compile") / "artifact.json", copy)
    assert verify(original, copy).path == "data/compile/alpha--plain--xnnpack"
    copy.write_text("other")
    with pytest.raises(InputError, match="no compiled artifact here has its sha256"):
        verify(original, copy)
    with pytest.raises(InputError, match="no such file"):
        verify(original, tmp_path / "nothing")


def test_one_changed_byte_anywhere_upstream_is_named(built):
    file = folder(built, "aq") / "artifact.json"
    file.write_text(file.read_text() + " ")
    (built.root / "source.txt").write_text("other weights")
    assert verify(built, folder(built, "compile")).problems == (
        "data/aq/alpha--plain is not as aq@alpha--plain recorded it",
        "source.txt is not as model@alpha recorded it",
    )


def test_a_changed_artifact_misses_lock_and_manifest(built):
    file = folder(built, "compile") / "artifact.json"
    file.write_text(json.dumps({"changed": True}))
    problems = verify(built, file).problems
    assert len(problems) == 2
    assert "sha256 is not the manifest's" in problems[1]


def test_an_input_made_anew_since_is_named(built):
    lock = yaml.safe_load(built.lock_file.read_text())
    lock["stages"]["compile@alpha--plain--xnnpack"]["deps"][0]["md5"] = "0" * 32 + ".dir"
    built.lock_file.write_text(yaml.safe_dump(lock))
    assert verify(built, folder(built, "compile")).problems == (
        "data/aq/alpha--plain is not as compile@alpha--plain--xnnpack recorded it",
    )


def test_what_is_not_on_disk_is_said(built):
    shutil.rmtree(folder(built, "aq"))
    found = verify(built, folder(built, "compile"))
    assert found.problems == ()
    assert [path for step in found.steps for path in step.absent] == ["data/aq/alpha--plain"]


def test_an_uncommitted_result_has_no_commit(built, monkeypatch):
    environment(monkeypatch)
    chain.set_bits(built.root, 4)
    chain.repro(built.root)
    found = verify(built, folder(built, "aq"))
    assert (found.commit, found.dirty, found.problems) == (None, True, ())
    model = verify(built, folder(built, "model"))
    assert (model.commit, model.dirty) == (chain.shell(built.root, "git rev-parse HEAD"), True)
    chain.commit(built.root)
    assert verify(built, folder(built, "aq")).commit == chain.shell(built.root, "git rev-parse HEAD")


def test_a_later_reader_does_not_bring_an_artifact(built):
    brought = chain.shell(built.root, "git rev-parse HEAD")
    lock = yaml.safe_load(built.lock_file.read_text())
    dependency = lock["stages"]["compile@alpha--plain--xnnpack"]["deps"][0]
    assert dependency["path"] == "data/aq/alpha--plain"
    lock["stages"]["reader"] = {"cmd": "cat", "deps": [dict(dependency)]}
    built.lock_file.write_text(yaml.safe_dump(lock))
    chain.commit(built.root)
    assert verify(built, folder(built, "aq")).commit == brought


def test_an_artifact_that_came_back_came_with_the_newer_commit(built):
    text = built.lock_file.read_text()
    built.lock_file.write_text("schema: '2.0'\nstages: {}\n")
    chain.commit(built.root)
    built.lock_file.write_text(text)
    chain.commit(built.root)
    assert verify(built, folder(built, "aq")).commit == chain.shell(built.root, "git rev-parse HEAD")


def test_nothing_was_built(built):
    built.lock_file.unlink()
    with pytest.raises(InputError, match="nothing was built here"):
        verify(built, built.root / "source.txt")

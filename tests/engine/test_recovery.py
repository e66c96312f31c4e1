import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from edgewright.engine import recovery, schedule
from edgewright.engine.state import State
from tests.engine.workspace import is_gone


def test_empty_lock_is_deleted_and_everything_restored(built: Any) -> None:
    before = built.digests()
    built.workspace.lock_file.write_bytes(b"")
    outcome = built.run()
    assert built.events[0].kind == "notice"
    assert built.events[0].message.startswith("dvc.lock was broken by a kill (0 bytes)")
    assert built.ran() == []
    states = {result.state for name, result in outcome.results.items() if name != "guard"}
    assert states == {State.RESTORED}
    assert built.digests() == before


@pytest.mark.parametrize("end", [b"\n  - path: [", b"\n  stray: {}\n", b"\xff"])
def test_half_a_lock_is_deleted(built: Any, end: bytes) -> None:
    content = built.workspace.lock_file.read_bytes()
    built.workspace.lock_file.write_bytes(content[:997] + end)
    assert len(recovery.recover(built.workspace)) == 1
    assert not built.workspace.lock_file.exists()


def test_good_workspace_is_left_alone(built: Any) -> None:
    before = built.workspace.lock_file.read_bytes()
    assert recovery.recover(built.workspace) == []
    assert built.workspace.lock_file.read_bytes() == before


@pytest.mark.parametrize("content", ["", '{"write": {"/x": {"pid": 4194305, "cmd": "dvc"}}}', '{"write": []}'])
def test_rwlock_of_the_dead_is_deleted(built: Any, content: str) -> None:
    path = built.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(content)
    assert recovery.recover(built.workspace) == ["rwlock of a killed run is deleted"]
    assert not path.exists()


def test_rwlock_of_the_living_is_kept(built: Any) -> None:
    path = built.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps({"read": {"/x": [{"pid": os.getpid(), "cmd": "dvc"}]}}))
    assert recovery.recover(built.workspace) == []
    assert path.exists()


def test_rwlock_of_a_dead_whose_id_lives_again_is_deleted(built: Any) -> None:
    path = built.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps({"read": {"/x": [{"pid": os.getpid(), "cmd": "dvc"}]}}))
    os.utime(path, (1.0, 1.0))
    assert recovery.recover(built.workspace) == ["rwlock of a killed run is deleted"]


@pytest.fixture
def zombie() -> Iterator[int]:
    """Id of a process that has ended and that nobody has waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    assert is_gone(process.pid)
    yield process.pid
    process.wait()


def test_rwlock_of_a_zombie_is_deleted(built: Any, zombie: int) -> None:
    path = built.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps({"write": {"/x": {"pid": zombie, "cmd": "dvc"}}}))
    assert recovery.recover(built.workspace) == ["rwlock of a killed run is deleted"]


@pytest.mark.parametrize("ends", [True, False])
def test_run_waits_for_who_is_about_to_end_and_says_who_is_not(
    built: Any, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    monkeypatch.setattr(schedule, "_BUSY_SECONDS", 30.0 if ends else 0.0)
    name = "model@alpha"
    artifact = str(built.workspace.artifact("model", "alpha"))
    other = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({3 if ends else 60})"])
    path = built.root / ".dvc" / "tmp" / "rwlock"
    path.write_text(json.dumps({"write": {artifact: {"pid": other.pid, "cmd": "other"}}}))
    try:
        result = built.run().results[name]
    finally:
        other.kill()
        other.wait()
    assert result.state is (State.CACHED if ends else State.FAILED)
    assert ends or f"(PID {other.pid}): other" in result.message


@pytest.mark.parametrize("place", [
    "data/aq/.alpha--calib--plain", "data/guard/.checked.json", ".dvc.yaml", "reports/.run.json",
    ".edgewright/.references.json", ".edgewright/markers/.report.json",
])
def test_leftovers_are_swept_wherever_we_write(built: Any, place: str) -> None:
    left = built.root / f"{place}.partial-4194305"
    left.mkdir()
    assert recovery.recover(built.workspace) == [f"removed 1 unfinished artifact(s) of a killed run: {left.name}"]
    assert not left.exists()

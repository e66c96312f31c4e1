import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.profile import lock

CODE = """
import sys
from edgewright.profile.lock import exclusive
print("ready", flush=True)
with exclusive():
    print("in", flush=True)
    sys.stdin.readline()
"""
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts another process that enters the lock; its pipes are not buffered."""
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(tmp_path))
    root = str(Path(lock.__file__).parents[2])
    return lambda: subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": root, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_second_process_waits_for_the_first(start: Start) -> None:
    with lock.exclusive():
        other = start()
        assert line(other) == b"ready\n"
        assert select.select([other.stdout], [], [], 1.0)[0] == []
    assert line(other) == b"in\n"
    other.communicate(b"\n", timeout=20)
    assert other.returncode == 0


def test_the_lock_dies_with_its_process(start: Start) -> None:
    other = start()
    assert [line(other), line(other)] == [b"ready\n", b"in\n"]
    other.kill()
    other.communicate()
    with lock.exclusive():
        pass


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that every user may write to; the current one, as the folders above are this user's."""
    tmp_path.chmod(0o1777)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: ".")
    return tmp_path


def test_the_file_of_another_user_serves(shared: Path) -> None:
    (shared / lock.FILE).touch(mode=0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with lock.exclusive():
            pass
    finally:
        if is_root:
            os.seteuid(0)


def test_the_file_is_for_every_user_whatever_the_umask(shared: Path) -> None:
    mask = os.umask(0o077)
    try:
        with lock.exclusive():
            pass
    finally:
        os.umask(mask)
    assert (shared / lock.FILE).stat().st_mode & 0o777 == 0o644

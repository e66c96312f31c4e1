import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.profile import lock

CODE = """
import sys
from edgewright.profile.lock import exclusive
with exclusive():
    print("in", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(tmp_path))
    root = str(Path(lock.__file__).parents[2])
    return {"TMPDIR": str(tmp_path), "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}


def test_a_second_process_waits_for_the_first(environment: dict[str, str]) -> None:
    with lock.exclusive():
        other = subprocess.Popen(
            [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=1.5)
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    other.communicate("\n", timeout=20)
    assert other.returncode == 0


def test_the_lock_dies_with_its_process(environment: dict[str, str]) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    other.kill()
    other.communicate()
    with lock.exclusive():
        pass

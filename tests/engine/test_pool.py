import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edgewright.engine import plan
from edgewright.engine.pool import Pool, WorkerError
from tests.engine.workspace import is_gone, wait_for

AQ = "aq@alpha--calib--plain"


def slow(tiny: Any) -> None:
    tiny.edit(lambda values: values["aq"]["plain"].update(options={"test": {"sleep": 60}}))


def stage_process(tiny: Any) -> int:
    """Id of the stage process of the slow instance."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in (tiny.root / "data" / "aq").glob(".alpha--calib--plain.partial-*"):
            return int(path.name.rpartition("-")[2])
        time.sleep(0.02)
    raise TimeoutError


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("how", ["kill", "close"])
def test_ended_worker_takes_its_stage_with_it(
    built: Any, how: str, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", shell)
    slow(built)
    pool = Pool(built.root)
    failures: list[WorkerError] = []

    def reproduce() -> None:
        try:
            pool.reproduce(AQ, force=False, marked=built.root / "marker.json", on_line=lambda line: None)
        except WorkerError as error:
            failures.append(error)

    thread = threading.Thread(target=reproduce)
    thread.start()
    stage = stage_process(built)
    if how == "kill":
        os.kill(parent(stage), signal.SIGKILL)
    else:
        pool.close()
    thread.join(10)
    assert len(failures) == 1
    assert is_gone(stage)
    pool.close()
    with pytest.raises(WorkerError):
        pool.reproduce(AQ, force=False, marked=built.root / "marker.json", on_line=lambda line: None)


def test_stage_that_still_imports_ends_with_its_worker(built: Any) -> None:
    slow(built)
    stage = built.root / "stages" / "aq.py"
    begin = "import os, time\nfrom pathlib import Path\nPath('early').write_text(str(os.getpid()))\ntime.sleep(2)\n"
    stage.write_text(begin + stage.read_text())
    plan.write(built.workspace)
    pool = Pool(built.root)
    marked = built.root / "marker.json"
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pool.reproduce, AQ, force=False, marked=marked, on_line=lambda line: None)
        early = int(wait_for(built.root / "early"))
        pool.close()
        with pytest.raises(WorkerError):
            asked.result(10)
    assert is_gone(early)
    assert not marked.exists()


def test_worker_serves_again_and_says_why_dvc_refuses(built: Any) -> None:
    pool = Pool(built.root)
    try:
        lines: list[str] = []
        marked = built.root / "marker.json"
        assert pool.reproduce("aq@nowhere", force=False, marked=marked, on_line=lines.append) != ""
        assert pool.reproduce(AQ, force=False, marked=marked, on_line=lines.append) == ""
        assert len(pool._idle) == 1
        assert any("didn't change" in line for line in lines)
    finally:
        pool.close()

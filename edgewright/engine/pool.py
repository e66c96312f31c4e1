"""The worker processes of a schedule: started when needed, used again, ended together."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from edgewright.engine import marker
from edgewright.engine.stage import ENVIRONMENT
from edgewright.engine.worker import ANSWER
from edgewright.processes import PARENT


class WorkerError(Exception):
    """A worker process ended in the middle of a request."""


class Pool:
    """Worker processes in `root`; safe to share among threads, each request has a worker to itself."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[str]] = []
        self._busy: list[subprocess.Popen[str]] = []
        self._closed = False

    def reproduce(self, name: str, *, force: bool, marked: Path, on_line: Callable[[str], None]) -> str:
        """Let DVC reproduce one instance; empty, or DVC's message when it fails.

        Args:
            name: `aq@KEY`.
            force: run it even if nothing changed.
            marked: where the stage process writes its marker.
            on_line: called with each line that DVC and the stage print.

        Raises:
            WorkerError: the process was killed.
        """
        worker = self._take()
        message = None
        try:
            message = _ask(worker, {"name": name, "force": force, "marker": str(marked)}, on_line)
        finally:
            self._give_back(worker, whole=message is not None)
        assert message is not None
        return message

    def close(self) -> None:
        """End all workers, and what they run."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.wait()

    def _take(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise WorkerError("the schedule was ended")
            worker = self._idle.pop() if self._idle else self._start()
            self._busy.append(worker)
            return worker

    def _give_back(self, worker: subprocess.Popen[str], *, whole: bool) -> None:
        with self._lock:
            self._busy.remove(worker)
            if whole:
                self._idle.append(worker)
                return
        worker.kill()
        worker.wait()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "edgewright.engine.worker"],
            cwd=self._root, env=_environment(), text=True, errors="replace", start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )


def _ask(worker: subprocess.Popen[str], request: dict[str, object], on_line: Callable[[str], None]) -> str:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
    except BrokenPipeError:
        raise WorkerError("the worker process had ended") from None
    for line in worker.stdout:
        if line.startswith(ANSWER):
            return str(json.loads(line.removeprefix(ANSWER))["message"])
        if line.strip():
            on_line(line)
    raise WorkerError(f"the worker process ended with code {worker.wait()}")


def _environment() -> dict[str, str]:
    """`python` in a stage's command is the one that runs this."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    inherited = {name: value for name, value in os.environ.items() if name not in (marker.VARIABLE, PARENT)}
    return {**inherited, **ENVIRONMENT, "PATH": path, "PYTHONUNBUFFERED": "1"}

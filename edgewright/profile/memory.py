"""Peak memory that an artifact adds to a process that has its runtime loaded."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright import targets
from edgewright.errors import InputError
from edgewright.processes import PARENT, die_with_parent

_RUNS = 3
_RESET_PEAK = "5"


def peak_memory(folder: Path, target: targets.Target, inputs: tuple[NDArray[Any], ...], *, threads: int) -> int:
    """Bytes of resident memory that loading the artifact and running one batch three times adds at its peak.

    Measured in a child process: the peak after, less the resident memory once the runtime is imported.

    Raises:
        InputError: the child process failed; its last line is in the message.
    """
    with tempfile.TemporaryDirectory() as name:
        arrays = Path(name) / "inputs.npz"
        np.savez(arrays, *inputs)
        command = [sys.executable, "-m", __name__, str(folder.resolve()), str(threads), str(arrays)]
        environment = {**os.environ, PARENT: str(os.getpid())}
        described = target.model_dump_json(by_alias=True)
        done = subprocess.run(
            command, env=environment, input=described, capture_output=True, text=True, check=False
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InputError(f"{folder.name}: measuring memory failed: {lines[-1]}")
    return int(json.loads(done.stdout.strip().splitlines()[-1]))


def _status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def _child(folder: Path, target: targets.Target, threads: int, arrays: Path) -> int:
    adapter = targets.adapter(target)
    adapter.preload()
    with np.load(arrays) as stored:
        inputs = tuple(stored[key] for key in stored.files)
    # The peak of the imports would hide what follows.
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    before = _status("VmRSS")
    run = adapter.session(folder, target, threads)
    for _ in range(_RUNS):
        run(inputs)
    return max(0, _status("VmHWM") - before)


if __name__ == "__main__":
    die_with_parent()
    given = targets.Target.model_validate_json(sys.stdin.read())
    print(_child(Path(sys.argv[1]), given, int(sys.argv[2]), Path(sys.argv[3])))

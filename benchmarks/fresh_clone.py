"""Both commands from a fresh clone in an empty folder, with their times.

    make bench-fresh
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import workspace

LIMITS = {
    "install": 360, "install and make demo": 900, "make demo, again": 10, "make test": 900,
}
"""Seconds that a step may take."""


def timed(command: list[str], folder: Path) -> float:
    """Run a command with its output shown; seconds."""
    print(f"$ {' '.join(command)}", flush=True)
    start = time.monotonic()
    if code := subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(f"{' '.join(command)}: exit code {code}")
    return time.monotonic() - start


def judge(seconds: Mapping[str, float]) -> int:
    """Print each time beside its limit; the number of those that took longer."""
    for name, value in seconds.items():
        limit = LIMITS.get(name)
        verdict = "" if limit is None else f" of {limit}" + (", TOO LONG" if value > limit else "")
        print(f"{name}: {value:.0f} s{verdict}")
    return sum(value > LIMITS.get(name, value) for name, value in seconds.items())


def main() -> int:
    """Clone the committed state and time `make setup`, `make demo` twice, and `make test`."""
    with tempfile.TemporaryDirectory(prefix="edgewright-fresh-") as parent:
        folder = Path(parent) / "edgewright"
        timed(["git", "clone", "-q", str(workspace.ROOT), str(folder)], Path(parent))
        seconds = {"install": timed(["make", "setup"], folder), "make demo": timed(["make", "demo"], folder)}
        seconds["install and make demo"] = seconds["install"] + seconds["make demo"]
        seconds["make demo, again"] = timed(["make", "demo"], folder)
        workspace.HOME.mkdir(exist_ok=True)
        shutil.copyfile(folder / "reports/report.html", workspace.HOME / "report.html")
        if "--no-test" not in sys.argv:
            seconds["make test"] = timed(["make", "test"], folder)
    return 1 if judge(seconds) else 0


if __name__ == "__main__":
    sys.exit(main())

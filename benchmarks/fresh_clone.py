"""Both commands from a fresh clone in an empty folder, with their times.

    make bench-fresh
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import workspace


def timed(command: list[str], folder: Path) -> float:
    """Run a command with its output shown; seconds."""
    print(f"$ {' '.join(command)}", flush=True)
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True)
    return time.monotonic() - start


def main() -> None:
    """Clone the committed state and time `make setup`, `make demo` twice, and `make test`."""
    with tempfile.TemporaryDirectory(prefix="edgewright-fresh-") as parent:
        folder = Path(parent) / "edgewright"
        timed(["git", "clone", "-q", str(workspace.ROOT), str(folder)], Path(parent))
        seconds = {
            "install": timed(["make", "setup"], folder),
            "make demo": timed(["make", "demo"], folder),
            "make demo, again": timed(["make", "demo"], folder),
        }
        workspace.HOME.mkdir(exist_ok=True)
        shutil.copyfile(folder / "reports/report.html", workspace.HOME / "report.html")
        if "--no-test" not in sys.argv:
            seconds["make test"] = timed(["make", "test"], folder)
        for name, value in seconds.items():
            print(f"{name}: {value:.0f} s")


if __name__ == "__main__":
    main()

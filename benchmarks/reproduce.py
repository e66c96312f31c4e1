"""Two full runs from empty caches, in other folders, with other thread counts and hash seeds: equal digests?

    make bench-reproduce
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import workspace

SETTINGS = (
    ("1", {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}),
    ("2", {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "271828"}),
)


def main() -> int:
    """Print both times, the number of files compared, and each file that differs."""
    found = []
    with tempfile.TemporaryDirectory(prefix="edgewright-reproduce-") as parent:
        for name, (jobs, variables) in zip(("a", "a-longer-name"), SETTINGS, strict=True):
            folder = workspace.make(Path(parent) / name / "workspace")
            states, seconds = workspace.run(folder, "--jobs", jobs, variables=variables)
            print(f"{name}: {jobs} jobs, {variables}, {len(states['Completed'])} stages, {seconds:.0f} s", flush=True)
            found.append(workspace.digests(folder))
    first, second = found
    different = workspace.different(first, second)
    print(f"{len(first)} files compared, {len(different)} differ")
    for name in different:
        print(f"  {name}")
    return 1 if different or not first else 0


if __name__ == "__main__":
    sys.exit(main())

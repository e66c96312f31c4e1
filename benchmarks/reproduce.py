"""Two full runs from empty caches, in other folders, with other thread counts and hash seeds: equal digests?

    make bench-reproduce
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import workspace

SETTINGS = (
    {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1", "jobs": "1"},
    {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "271828", "jobs": "2"},
)


def main() -> int:
    """Print both times, the number of files compared, and each file that differs."""
    found = []
    with tempfile.TemporaryDirectory(prefix="edgewright-reproduce-") as parent:
        for index, setting in enumerate(SETTINGS):
            folder = workspace.make(Path(parent) / ("a" if index == 0 else "a-longer-name") / "workspace")
            variables = {name: value for name, value in setting.items() if name != "jobs"}
            states = workspace.run(folder, "--jobs", setting["jobs"], **variables)
            seconds = states["seconds"][0]
            print(f"run {index + 1}: {setting}, {len(states['Completed'])} stages, {seconds} s", flush=True)
            found.append(workspace.digests(folder))
    first, second = found
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    print(f"{len(first)} files compared, {len(different)} differ")
    for name in different:
        print(f"  {name}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())

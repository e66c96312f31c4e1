"""Compile every line of every capability map alone: `python -m benchmarks.probe_targets [TARGET] [OPERATOR]`."""

import sys
import tempfile
from pathlib import Path

from edgewright import targets
from edgewright.errors import first_line
from edgewright.targets.probe import forms, probe


def main() -> int:
    """Print a line per operator and form; the exit code is 1 if the toolchain did one otherwise than the map says."""
    chosen = sys.argv[1:2] or list(targets.names())
    tried = failed = 0
    for name in chosen:
        target = targets.load(name)
        for op in sys.argv[2:] or sorted(target.operators):
            for kernel in forms(target.operators[op]):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        found = probe(target, op, kernel, Path(folder))
                        holds, verdict = found.holds, "; ".join(found.left) or f"delegated, {found.steps:.2f} steps"
                    except Exception as error:
                        # A toolchain may raise anything; the lines after this one are still of interest.
                        holds, verdict = False, f"{type(error).__name__}: {first_line(error)}"
                tried, failed = tried + 1, failed + (not holds)
                form = kernel.name if kernel else "float"
                print(f"{name:16} {op:28} {form:12} {'' if holds else 'FAILS: '}{verdict}", flush=True)
    print(f"{tried} lines, {failed} fail")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

"""Compile every line of every capability map alone: `python -m benchmarks.probe_targets [TARGET] [OPERATOR]`."""

import sys
import tempfile
from pathlib import Path

from edgewright import targets
from edgewright.targets.probe import forms, probe


def main() -> int:
    """Print a line per operator and form; the exit code is 1 if the toolchain left one to the host."""
    chosen = sys.argv[1:2] or list(targets.names())
    failed = 0
    for name in chosen:
        target = targets.load(name)
        for op in sys.argv[2:] or sorted(target.operators):
            for kernel in forms(target.operators[op]):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        found = probe(target, op, kernel, Path(folder))
                        verdict = "; ".join(found.left) or f"delegated, {found.steps:.2f} steps"
                        failed += bool(found.left)
                    except Exception as error:
                        failed += 1
                        verdict = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
                print(f"{name:16} {op:28} {kernel.name if kernel else 'float':12} {verdict}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

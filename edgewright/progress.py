"""Progress as lines: what is done, which module scope, how long it will take."""

import sys
import time
from collections.abc import Callable

Progress = Callable[[float, int, str], None]
"""Called with (steps done, steps in all, scope of the step); part of a long step may be done."""

_INTERVAL_SECONDS = 0.5


def silent(done: float, total: int, scope: str) -> None:
    """A progress that shows nothing."""


def printed(label: str) -> Progress:
    """A progress that prints `label 3/12 scope, 14 s left` to standard error, twice a second at most."""
    start = time.monotonic()
    last = start - _INTERVAL_SECONDS

    def show(done: float, total: int, scope: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _INTERVAL_SECONDS and done < total:
            return
        last = now
        left = (now - start) / done * (total - done) if done else None
        remaining = f", {left:.0f} s left" if left is not None and done < total else ""
        print(f"{label} {int(done)}/{total} {scope}{remaining}", file=sys.stderr, flush=True)

    return show

"""One measurement at a time on a machine."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

FILE = "edgewright-profile.lock"


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Wait until no other process profiles, and keep them waiting until the block ends.

    The lock dies with its process; the file stays.
    """
    path = Path(tempfile.gettempdir()) / FILE
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

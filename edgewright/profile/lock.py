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

    The lock dies with its process; the file stays, for all users of the machine.
    """
    path = Path(tempfile.gettempdir()) / FILE
    with contextlib.suppress(FileExistsError):
        path.touch(exist_ok=False)
        path.chmod(0o644)
    # For reading only: the file may be another user's.
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

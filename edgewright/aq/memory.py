"""Give memory back between two blocks."""

import ctypes
from contextlib import suppress


def release() -> None:
    """Return freed memory to the system: the allocator of glibc keeps it per thread, and its share grows with time."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)

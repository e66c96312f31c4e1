"""Keep the memory of the process near what is in use, where the allocator is glibc's; elsewhere nothing is done here.

By its own rule glibc raises the size from which a block of memory is mapped by itself, and so given back when it is
freed, up to 32 MB (mallopt(3), M_MMAP_THRESHOLD). Tensors then lie in the heaps of the worker threads, between small
objects that stay, and the process grows with the number of blocks.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MAPPED, _TRIMMED = 256 << 10, 4 << 20
_LARGEST = 32 << 20
PIECE = 48 << 10
"""Elements of a float32 tensor below the size that is mapped: temporaries of it cost no page faults, and stay in a
core's cache."""
_GIVEN = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def release() -> None:
    """Return freed memory to the system: glibc keeps it per thread, and its share grows with time."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@contextmanager
def bounded() -> Iterator[None]:
    """Inside, tensors of 256 KiB and more are mapped each by itself, and go back to the system when they are freed.

    glibc cannot be asked for its own rule again: afterwards the size is 32 MB, which that rule ends at. What the user
    has set in the environment stays.
    """
    libc = _glibc()
    if libc is None or any(os.environ.get(name) for name in _GIVEN):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _MAPPED)
    libc.mallopt(_TRIM_THRESHOLD, _TRIMMED)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None

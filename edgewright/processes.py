"""Processes that do not outlive who has started them."""

import ctypes
import os
import signal
import sys

PARENT = "EDGEWRIGHT_PARENT"
"""Environment variable with the id of the process to die with; set by who starts the process, or its shell."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Linux ends this process when its parent ends; elsewhere this is the parent's duty.

    A parent that ended before the call is known by `PARENT`, and this process exits in one line. A shell, or
    another program that has started it for that parent, may stand in between.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = os.environ.get(PARENT)
    if parent is not None and not _is_above(int(parent)):
        sys.exit(f"the process {parent} that this one works for has ended ({PARENT})")


def _is_above(pid: int) -> bool:
    if os.getppid() == pid:
        return True
    import psutil

    return any(process.pid == pid for process in psutil.Process().parents())

"""Freed memory goes back to the system; the allocator is that of a process of its own, for its rules stay changed."""

import os
import platform
import subprocess
import sys

from tests.support import ROOT

_PROGRAM = """
import sys
from contextlib import nullcontext
from pathlib import Path
import torch
from edgewright.memory import bounded, release

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def kept():
    torch.ones(1 << 22)  # freed, it raises the size from which glibc maps a tensor by itself
    before, tensors, between = resident(), [], []
    for _ in range(64):
        tensors.append(torch.ones(1 << 18))
        between.append(torch.ones(1 << 12))
    tensors.clear()
    freed = resident() - before
    release()
    return freed, resident() - before

with bounded() if sys.argv[1] == "bounded" else nullcontext():
    print(*kept())
"""
_TENSORS = 64 << 20


def _kept(how: str, **variables: str) -> tuple[int, int]:
    """Bytes that a process keeps of 64 MiB of tensors that it freed, and what is left of them after `release`."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM, how], cwd=ROOT, text=True, capture_output=True, check=True,
                          env={**os.environ, **variables})
    freed, released = done.stdout.split()
    return int(freed), int(released)


def test_freed_tensors_go_back_to_the_system():
    freed, released = _kept("bounded")
    assert max(freed, released) < _TENSORS / 8
    if platform.libc_ver()[0] == "glibc":
        freed, released = _kept("as it is")
        assert freed > _TENSORS / 2
        assert released < _TENSORS / 8


def test_what_the_user_sets_stays():
    if platform.libc_ver()[0] == "glibc":
        assert _kept("bounded", MALLOC_MMAP_THRESHOLD_=str(32 << 20))[0] > _TENSORS / 2

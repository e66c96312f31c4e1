"""Temporary files and folders beside what they become, and how those of a killed process are swept."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"\.(?P<target>.+)\.partial-(?P<pid>\d+)")


def partial(target: Path) -> Path:
    """Temporary path beside `target`; the process in its name owns it."""
    return target.parent / f".{target.name}.partial-{os.getpid()}"


@contextmanager
def published(target: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `target` at once and only if nothing was raised."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = partial(target)
    try:
        yield path
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path, target: str | None = None) -> list[str]:
    """Remove what dead processes left in `folder`, of one target or of all; the names removed."""
    removed = []
    for path in sorted(folder.glob(".*.partial-*")):
        match = _NAME.fullmatch(path.name)
        if match is None or (target is not None and match["target"] != target):
            continue
        pid = int(match["pid"])
        if pid != os.getpid() and is_alive(pid):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        removed.append(path.name)
    return removed


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs; one that has ended but was not waited for does not."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

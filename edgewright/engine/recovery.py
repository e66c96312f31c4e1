"""What a kill can leave behind, put right before a run; each repair is one notice."""

import json
from collections.abc import Callable
from pathlib import Path

from edgewright.engine import leftovers
from edgewright.engine.repository import open_repository
from edgewright.engine.workspace import STAGES, Workspace
from edgewright.files import read_yaml

_CLOCK_SLACK_SECONDS = 1.0


def recover(workspace: Workspace, on_wait: Callable[[str], None] = lambda notice: None) -> list[str]:
    """Repair dvc.lock, DVC's rwlock and leftovers; what was done, a line each.

    A kill while DVC writes dvc.lock leaves it empty, and then every dvc command fails. It is deleted:
    the run that follows restores every artifact from the run-cache without computing.

    Args:
        workspace: the workspace.
        on_wait: called when another process keeps DVC's lock for seconds.
    """
    # Another run's dvc.lock is empty while DVC writes it, which it does under this lock.
    with open_repository(workspace.root, on_wait=on_wait).lock:
        notices = [*_lock(workspace.lock_file), *release(workspace)]
    scratch = workspace.scratch
    folders = [workspace.root / "data" / stage for stage in (*STAGES, "guard")]
    folders += [workspace.root, workspace.root / "reports", scratch, scratch / "markers"]
    swept = [name for folder in folders if folder.is_dir() for name in leftovers.sweep(folder)]
    if swept:
        notices.append(f"removed {len(swept)} unfinished artifact(s) of a killed run: {', '.join(swept[:3])}")
    return notices


def _lock(path: Path) -> list[str]:
    if not path.is_file() or _is_lock(path):
        return []
    size = path.stat().st_size
    path.unlink()
    return [f"{path.name} was broken by a kill ({size} bytes) and is deleted; the artifacts come from the run-cache"]


def _is_lock(path: Path) -> bool:
    import yaml
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(read_yaml(path))
    except (yaml.YAMLError, UnicodeDecodeError, Invalid):
        return False
    return True


def release(workspace: Workspace) -> list[str]:
    """Delete DVC's rwlock if nobody alive holds it; the caller holds DVC's lock.

    DVC fails on a broken rwlock, and takes for alive whose id a new process has got, and a zombie,
    which an orphan stays for seconds, or for ever where no init process waits for it.
    """
    path = workspace.root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file():
        return []
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        readers = (info for infos in held.get("read", {}).values() for info in infos)
        entries = [*held.get("write", {}).values(), *readers]
        pids = {int(info["pid"]) for info in entries}
    except (ValueError, KeyError, TypeError, AttributeError):
        pids = set()
        entries = [None]
    if not entries or any(_holds(pid, path.stat().st_mtime) for pid in pids):
        return []
    path.unlink(missing_ok=True)
    return [f"{path.name} of a killed run is deleted"]


def _holds(pid: int, since: float) -> bool:
    import psutil

    try:
        return leftovers.is_alive(pid) and bool(psutil.Process(pid).create_time() <= since + _CLOCK_SLACK_SECONDS)
    except psutil.NoSuchProcess:
        return False

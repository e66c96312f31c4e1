"""Remove from the workspace what belongs to variants that params.yaml no longer has."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgewright.engine.workspace import STAGES, Workspace
from edgewright.files import tree_bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """An artifact that no variant of the plan needs.

    Attributes:
        path: relative to the workspace.
        size_bytes: of all its files.
        restorable: DVC has recorded it, so that it comes back from the cache with its variant; what is not
            recorded (something put there by hand, an unfinished run) is left alone.
    """

    path: str
    size_bytes: int
    restorable: bool


def dropped(workspace: Workspace) -> tuple[Dropped, ...]:
    """The folders below data/<stage>/ that are in no plan, by path. data/samples/ is not looked at."""
    plan, recorded = workspace.plan(), _recorded(workspace)
    found = []
    for stage in STAGES:
        for folder in sorted((workspace.root / "data" / stage).glob("[!.]*")):
            if folder.name not in plan[stage]:
                path = workspace.relative(stage, folder.name)
                found.append(Dropped(path, tree_bytes(folder), path in recorded))
    return tuple(found)


def prune(workspace: Workspace) -> tuple[Dropped, ...]:
    """Remove the restorable artifacts that no variant needs, and their logs; what was removed."""
    removed = tuple(item for item in dropped(workspace) if item.restorable)
    for item in removed:
        path = workspace.root / item.path
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        _, stage, key = item.path.split("/")
        (workspace.scratch / "logs" / f"{stage}--{key}.log").unlink(missing_ok=True)
    return removed


def _recorded(workspace: Workspace) -> set[str]:
    """Paths of outputs in dvc.lock, which keeps those of dropped variants, and in the local run-cache."""
    files = [workspace.lock_file, *(workspace.root / ".dvc" / "cache" / "runs").glob("*/*/*")]
    return {path for file in files for path in _outputs(file)}


def _outputs(file: Path) -> list[str]:
    if not file.is_file():
        return []
    try:
        value: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return []
    value = value if isinstance(value, dict) else {}
    entries = value["stages"].values() if "stages" in value else [value]
    return [str(out["path"]) for entry in entries for out in entry.get("outs", ())]

"""Remove from the workspace what belongs to variants that params.yaml no longer has."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgewright.engine.verify import md5_of
from edgewright.engine.workspace import STAGES, Workspace, instance
from edgewright.files import read_yaml, tree_bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """An artifact that no variant of the plan needs.

    Attributes:
        path: relative to the workspace.
        size_bytes: of all its files.
        restorable: DVC has recorded these bytes, so that they come back from the cache with their variant; what is
            not recorded (something put there or changed by hand, an unfinished run) is left alone.
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
                found.append(Dropped(path, tree_bytes(folder), md5_of(folder) in recorded.get(path, ())))
    return tuple(found)


def remove(workspace: Workspace, items: Iterable[Dropped]) -> None:
    """Remove artifacts and their logs."""
    for item in items:
        path = workspace.root / item.path
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        _, stage, key = item.path.split("/")
        workspace.log(instance(stage, key)).unlink(missing_ok=True)


def _recorded(workspace: Workspace) -> Mapping[str, set[str]]:
    """md5s of outputs by path, from dvc.lock, which keeps those of dropped variants, and the local run-cache."""
    found = defaultdict(set)
    for file in (workspace.lock_file, *(workspace.root / ".dvc" / "cache" / "runs").glob("*/*/*")):
        for path, md5 in _outputs(file):
            found[path].add(md5)
    return found


def _outputs(file: Path) -> list[tuple[str, str]]:
    if not file.is_file():
        return []
    try:
        value: Any = read_yaml(file)
    except yaml.YAMLError:
        return []
    value = value if isinstance(value, dict) else {}
    entries = value["stages"].values() if "stages" in value else [value]
    return [(out["path"], out["md5"]) for entry in entries for out in entry.get("outs", ())]

"""Artifacts by the names that people give them: a path, a stage's instance, or a stage of a variant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError, InputError, nearest

STAGES = {"float": "model", "aq": "aq", "ir": "ir", "go": "go", "gq": "gq", "compiled": "compile"}
"""What a person calls the artifacts of a chain, in their order, and the stage that makes each."""

_STAGES = {**STAGES, "model": "model", "compile": "compile"}


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact that exists.

    Attributes:
        path: its folder or file.
        name: what messages call it.
        stage, key: which instance of the plan it is; None for a path that is none.
    """

    path: Path
    name: str
    stage: str | None = None
    key: str | None = None


def find(workspace: Workspace, texts: Sequence[str], variant: str | None = None) -> tuple[Found, ...]:
    """The artifacts that `texts` name.

    Args:
        workspace: whose plan is read.
        texts: each a path, `STAGE@KEY` as DVC writes it, or one of `STAGES`.
        variant: name of a variant, or a part of it, also with `*`, that no other has; it says whose stage is meant.

    Raises:
        ConfigError: a name that is neither, with the nearest; or it is open which variant is meant.
        InputError: the artifact was not built yet.
    """
    plan = workspace.plan()
    stages = [_STAGES[text] for text in texts if text in _STAGES]
    keys = _keys(plan, stages, variant) if stages else {}
    return tuple(_find(workspace, plan, text, keys) for text in texts)


def calibration(workspace: Workspace, found: Found) -> Path | None:
    """The calibration sample of an artifact; None where none belongs to it."""
    if found.stage is None or found.key is None:
        return None
    plan = workspace.plan()
    item: Mapping[str, Any] = plan[found.stage][found.key]
    for stage in ("gq", "aq"):
        if "calibration" not in item and stage in item:
            item = plan[stage][item[stage]]
    keys = [item["calibration"]] if "calibration" in item else []
    if found.stage == "model":
        keys = sorted(key for key, value in plan["calibration"].items() if value["model"] == found.key)
    paths = (workspace.artifact("calibration", key) / "sample.parquet" for key in keys)
    return next((path for path in paths if path.is_file()), None)


def batch(workspace: Workspace, found: Found) -> int:
    """The batch size that the model of an artifact is exported with."""
    if found.stage not in ("model", "aq") or found.key is None:
        return 1
    model = found.key if found.stage == "model" else workspace.plan()["aq"][found.key]["model"]
    return workspace.params().models[model].export.batch


def source(workspace: Workspace, found: Found) -> Path | None:
    """The Program that a compiled artifact was made from; None for what is not compiled."""
    if found.stage != "compile" or found.key is None:
        return None
    return workspace.artifact("gq", workspace.plan()["compile"][found.key]["gq"]) / "program.pt2"


def variant_names(plan: Mapping[str, Any], text: str | None) -> list[str]:
    """Names of the variants that `text` is the name or a part of; all where it is None.

    Raises:
        ConfigError: there is none; the nearest is named.
    """
    names = [str(item["name"]) for item in plan["variants"]]
    if text is None or text in names:
        return names if text is None else [text]
    found = [name for name in names if fnmatchcase(name, f"*{text}*")]
    if not found:
        raise ConfigError(f"unknown variant '{text}'{nearest(text, names)}; known: {', '.join(names)}")
    return found


def _keys(plan: Mapping[str, Any], stages: Sequence[str], variant: str | None) -> dict[str, str]:
    """Key of each of `stages` in the variant that is meant; variants with the same artifacts are as one."""
    names = variant_names(plan, variant)
    variants = [item for item in plan["variants"] if item["name"] in names]
    found = {tuple(item["keys"][stage] for stage in stages): item["keys"] for item in variants}
    if len(found) != 1:
        option = f"--variant {variant} fits" if variant else "give --variant, or a part of it that no other has:"
        raise ConfigError(f"which variant is meant is open: {option} {', '.join(names)}")
    return dict(next(iter(found.values())))


def _find(workspace: Workspace, plan: Mapping[str, Any], text: str, keys: Mapping[str, str]) -> Found:
    stage, at, key = text.partition("@")
    if text in _STAGES:
        return _built(workspace, _STAGES[text], keys[_STAGES[text]], text)
    if at and stage in _STAGES:
        known = plan[_STAGES[stage]]
        if key not in known:
            raise ConfigError(f"{text}: the plan has no such instance{nearest(key, known)}; known: {', '.join(known)}")
        return _built(workspace, _STAGES[stage], key, text)
    path = Path(text)
    if path.exists():
        parts = path.resolve()
        root = workspace.root / "data"
        place = parts.relative_to(root).parts if parts.is_relative_to(root) else ()
        is_planned = len(place) == 2 and place[0] in _STAGES.values() and place[1] in plan[place[0]]
        return Found(path, text, *place) if is_planned else Found(path, text)
    if at or "/" in text or path.suffix:
        raise InputError(f"{text}: no such file or folder")
    raise ConfigError(f"'{text}' is no path and no stage{nearest(text, _STAGES)}; stages: {', '.join(STAGES)}")


def _built(workspace: Workspace, stage: str, key: str, name: str) -> Found:
    path = workspace.artifact(stage, key)
    if not path.is_dir():
        raise InputError(f"{workspace.relative(stage, key)}: not built yet; `edgewright run` builds it")
    return Found(path, name, stage, key)

"""Where the report's figures lie in a workspace, for the report stage and for the report of a run that failed."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.config import Params
from edgewright.engine.workspace import Workspace, instances
from edgewright.files import read_json, sha256_tree

if TYPE_CHECKING:
    from edgewright.report import Report, VariantFiles

_NONE = "none"


def assemble(workspace: Workspace, failures: Mapping[str, str] | None = None) -> "Report":
    """The report of all variants of the plan, from the artifacts that exist.

    Args:
        workspace: the workspace; what a failed stage did not write counts as failed.
        failures: one line for each failed stage instance (`aq@KEY`), shown as the reason of its variants.

    Raises:
        InputError: a stage's file has another form than its stage writes.
    """
    from edgewright.report import collect

    params, plan = workspace.params(), workspace.plan()
    # Variants share models and samples.
    digest = cache(sha256_tree)
    return collect([_files(workspace, params, variant, failures or {}, digest) for variant in plan["variants"]])


def _files(
    workspace: Workspace,
    params: Params,
    variant: Mapping[str, Any],
    failures: Mapping[str, str],
    digest: Callable[[Path], str],
) -> "VariantFiles":
    from edgewright.report import VariantFiles

    keys, floating = variant["keys"], variant["float"]
    compiled = workspace.artifact("compile", keys["compile"])
    return VariantFiles(
        name=variant["name"], model=variant["model"], aq=variant["aq"], gq=variant["gq"], target=variant["target"],
        task=params.models[variant["model"]].task,
        accept=params.variants[variant["entry"]].accept.model_dump(exclude_none=True),
        stages=_rows(workspace, variant),
        artifact=f"{workspace.relative('compile', keys['compile'])}/{_artifact_name(compiled)}".rstrip("/"),
        manifest=compiled / "manifest.json",
        profile=workspace.artifact("profile", keys["profile"]) / "profile.json",
        float_manifest=_manifest_of(workspace, floating),
        layers=None if variant["aq"] == _NONE else workspace.artifact("aq", keys["aq"]) / "layers.json",
        firings=workspace.artifact("go", keys["go"]) / "firings.json",
        sensitivity=None if variant["gq"] == _NONE else workspace.artifact("gq", keys["gq"]) / "sensitivity.json",
        search=workspace.artifact("gq", keys["gq"]) / "assignment.json",
        tuning=workspace.artifact("gq", keys["gq"]) / "tuning.json",
        lineage=_lineage(workspace, keys, digest),
        failure=_failure(variant, failures),
    )


def _rows(workspace: Workspace, variant: Mapping[str, Any]) -> tuple[Any, ...]:
    from edgewright.report import StageFiles
    from edgewright.report.types import Stage

    rows: dict[Stage, str] = {"float": "model", "aq": "aq", "go": "go", "gq": "gq", "compile": "compile"}
    found = []
    for row, stage in rows.items():
        key = variant["evaluate"].get(stage)
        metrics = workspace.artifact("evaluate", key) / "metrics.json" if key else None
        found.append(StageFiles(stage=row, key=variant["keys"][stage], metrics=metrics))
    return tuple(found)


def _artifact_name(folder: Path) -> str:
    manifest = folder / "manifest.json"
    return str(read_json(manifest)["artifact"]) if manifest.is_file() else ""


def _manifest_of(workspace: Workspace, floating: Mapping[str, Any] | None) -> Path | None:
    return workspace.artifact("compile", floating["keys"]["compile"]) / "manifest.json" if floating else None


def _lineage(workspace: Workspace, keys: Mapping[str, str], digest: Callable[[Path], str]) -> dict[str, str]:
    paths = {
        "model": workspace.artifact("model", keys["model"]),
        "calibration sample": workspace.artifact("calibration", keys["calibration"]) / "sample.parquet",
        "held-out sample": workspace.artifact("holdout", keys["holdout"]) / "sample.parquet",
    }
    return {name: digest(path) for name, path in paths.items() if path.exists()}


def _failure(variant: Mapping[str, Any], failures: Mapping[str, str]) -> str | None:
    """The first failure among the instances that the variant needs."""
    failed = (name for name in instances(variant) if name in failures)
    return next((f"{name.partition('@')[0]}: {failures[name]}" for name in failed), None)

"""From the JSON files of the stages to a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewright.errors import InputError
from edgewright.evaluate.metric import PRIMARY, metric_class
from edgewright.files import read_json
from edgewright.report import accept as budgets
from edgewright.report import details, heat, weights
from edgewright.report.types import (
    ArtifactRecord,
    BytesRecord,
    DetailsRecord,
    DriftRecord,
    IntervalRecord,
    LatencyRecord,
    MetricRecord,
    Report,
    Stage,
    StageRecord,
    Status,
    Variant,
)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StageFiles:
    """One row of a variant: the stage, its key, and the `metrics.json` of its output (None: not evaluated)."""

    stage: Stage
    key: str
    metrics: Path | None


@dataclass(frozen=True, slots=True)
class VariantFiles:
    """Where the stage outputs of a variant lie.

    None says that a file does not apply to the variant (no recipe, no float build); a path that does not
    exist says that its stage failed.

    Attributes:
        accept: budget -> limit.
        stages: rows in order, float first, compile last.
        artifact: the compiled file as shown to the reader, relative to the workspace.
        manifest: of the compiled artifact; `float_manifest`: of the float build on the same target.
        layers: aq's; `firings`: go's; `sensitivity`: gq's.
        search: gq's record of a search; `tuning`: of the tuning that led to its scheme.
        lineage: what the artifact was made from -> digest.
        failure: one line of why it failed, where a run record tells.
    """

    name: str
    model: str
    aq: str
    gq: str
    target: str
    task: str
    accept: Mapping[str, float]
    stages: tuple[StageFiles, ...]
    artifact: str
    manifest: Path
    profile: Path | None
    float_manifest: Path | None
    layers: Path | None
    firings: Path | None
    sensitivity: Path | None
    search: Path | None = None
    tuning: Path | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None


def collect(variants: Sequence[VariantFiles]) -> Report:
    """The report of all variants, in the order given.

    Raises:
        InputError: a file is there but is not what its stage writes.
        ConfigError: an unknown budget.
    """
    return Report(version=1, variants=tuple(collect_variant(files) for files in variants))


def collect_variant(files: VariantFiles) -> Variant:
    """The record of one variant; a missing file makes it `failed`, a missed budget `rejected`.

    Raises:
        InputError: a file is there but is not what its stage writes.
        ConfigError: an unknown budget.
    """
    try:
        return _collect(files)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"report: variant {files.name}: a stage output has another form than expected ({error!r})"
        ) from error


def _collect(files: VariantFiles) -> Variant:
    rows = {row.stage: _read(row.metrics) for row in files.stages}
    manifest, float_manifest = _read(files.manifest), _read(files.float_manifest)
    profile = _read(files.profile)
    compiled, base = rows.get("compile"), rows.get("float")
    metric = _metric(files, base, compiled)
    size = BytesRecord(base=_size(float_manifest, base), compiled=_size(manifest, None))
    latency = _latency(profile)
    memory = _memory(profile, manifest, float_manifest)
    interval = compiled.get("interval") if compiled else None
    interval_record = IntervalRecord.model_validate(interval) if interval else None
    checked = budgets.check(
        files.accept,
        {
            "metric_drop": _drop(metric),
            "size_bytes": size.compiled,
            "memory_bytes": memory.compiled,
            "sram_bytes": profile.get("sram_bytes") if profile else None,
            "flash_bytes": profile.get("flash_bytes") if profile else None,
            "latency_ms": latency.compiled,
        },
    )
    status, reason = _status(files, budgets.reason(checked, interval_record))
    drift = (compiled or {}).get("drift") or {}
    metric_type = metric_class(metric.name)
    layers, firings, sensitivity = (_read(path) for path in (files.layers, files.firings, files.sensitivity))
    return Variant(
        name=files.name,
        model=files.model,
        aq=files.aq,
        gq=files.gq,
        target=files.target,
        status=status,
        reason=reason,
        metric=metric,
        size_bytes=size,
        latency_ms=latency,
        memory_bytes=memory,
        drift=DriftRecord(
            snr_db=drift.get("snr_db"), logit_mse=drift.get("logit_mse"), agreement=drift.get("agreement")
        ),
        stages=tuple(_row(row, rows[row.stage], size, latency) for row in files.stages),
        artifact=ArtifactRecord(path=files.artifact, sha256=manifest["sha256"] if manifest else None),
        details=DetailsRecord(
            task=files.task,
            better=metric_type.better,
            unit=metric_type.unit,
            samples=compiled["metric"]["samples"] if compiled else None,
            float_samples=base["metric"]["samples"] if base else None,
            synthetic=bool((compiled or base or {}).get("synthetic")),
            runtime=compiled["runtime"] if compiled else None,
            metrics=details.metric_pairs(base, compiled),
            interval=interval_record,
            budgets=checked,
            profile=details.profile(profile),
            operators=details.operators(profile),
            compile=details.compiled(manifest),
            modules=details.modules(layers, sensitivity),
            heat=heat.stages({row.stage: rows[row.stage] for row in files.stages}, layers, sensitivity),
            weights=weights.weights(layers),
            rewrites=details.rewrites(firings),
            search=details.search(_read(files.search)),
            tuning=details.tuning(_read(files.tuning)),
            lineage=details.lineage(files.lineage, base, manifest),
        ),
    )


def _read(path: Path | None) -> Json | None:
    if path is None or not path.is_file():
        return None
    try:
        content = read_json(path)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return content


def _status(files: VariantFiles, rejected: str | None) -> tuple[Status, str | None]:
    if files.failure is not None:
        return "failed", files.failure
    expected: list[tuple[str, Path | None]] = [
        ("aq", files.layers),
        ("go", files.firings),
        ("gq", files.sensitivity),
        ("compile", files.manifest),
        ("compile of the float build", files.float_manifest),
        *((f"evaluate of {row.stage}", row.metrics) for row in files.stages),
        ("profile", files.profile),
    ]
    for stage, path in expected:
        if path is not None and not path.is_file():
            return "failed", f"{stage} left no {path.name} ({path.parent.name})"
    return ("rejected", rejected) if rejected else ("ok", None)


def _metric(files: VariantFiles, base: Json | None, compiled: Json | None) -> MetricRecord:
    known = compiled or base
    reference = base["metric"]["value"] if base else None
    # a simulator runs fewer samples: compare with the float model on the same ones
    if compiled and base and compiled["metric"]["samples"] != base["metric"]["samples"]:
        reference = compiled["metric"]["reference"]
    return MetricRecord(
        name=known["metric"]["name"] if known else PRIMARY[files.task],
        base=reference,
        compiled=compiled["metric"]["value"] if compiled else None,
        accept=files.accept.get("metric_drop"),
    )


def _drop(metric: MetricRecord) -> float | None:
    if metric.base is None or metric.compiled is None:
        return None
    drop = metric.base - metric.compiled
    # binary fractions: 86.6 - 86.1 must not miss a budget of 0.5
    return round(drop if metric_class(metric.name).better == "higher" else -drop, 9)


def _size(manifest: Json | None, metrics: Json | None) -> int | None:
    if manifest is not None:
        return int(manifest["size_bytes"])
    return int(metrics["size_bytes"]) if metrics is not None else None


def _latency(profile: Json | None) -> LatencyRecord:
    if profile is None:
        return LatencyRecord(base=None, compiled=None, estimate=False, source=None)
    times = profile.get("latency_ms") or {}
    base, compiled = times.get("float"), times.get("compiled")
    return LatencyRecord(
        base=base["median"] if base else None,
        compiled=compiled["median"] if compiled else None,
        estimate=bool(profile["estimate"]),
        source=profile["source"],
    )


def _memory(profile: Json | None, manifest: Json | None, float_manifest: Json | None) -> BytesRecord:
    """Peak memory as measured, else as the toolchain planned it, for both builds from the same source."""
    measured = (profile or {}).get("memory_bytes") or {}
    if measured.get("compiled") is not None:
        return BytesRecord(base=measured.get("float"), compiled=measured["compiled"])
    return BytesRecord(base=(float_manifest or {}).get("memory_bytes"), compiled=(manifest or {}).get("memory_bytes"))


def _row(row: StageFiles, metrics: Json | None, size: BytesRecord, latency: LatencyRecord) -> StageRecord:
    size_bytes = metrics["size_bytes"] if metrics else None
    if row.stage == "compile" and size.compiled is not None:
        size_bytes = size.compiled
    times = {"float": latency.base, "compile": latency.compiled}
    return StageRecord(
        stage=row.stage,
        key=row.key,
        metric=metrics["metric"]["value"] if metrics else None,
        size_bytes=size_bytes,
        latency_ms=times.get(row.stage),
        state=None,
        seconds=None,
    )

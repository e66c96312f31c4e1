"""What a variant's page shows beyond its summary, from the JSON files of the stages."""

from collections.abc import Mapping
from typing import Any, Literal

from edgewright.report.types import (
    CompileRecord,
    FiringRecord,
    LineageRecord,
    ModuleRecord,
    NotDelegatedRecord,
    OperatorRecord,
    PairRecord,
    PointRecord,
    ProfileRecord,
    RewritesRecord,
    SearchRecord,
    SpreadRecord,
    TuningRecord,
    TuningStepRecord,
)

Json = Mapping[str, Any]
SHOWN = 10
"""Modules with the most drift, and operators that cost the most."""


def metric_pairs(base: Json | None, compiled: Json | None) -> dict[str, PairRecord]:
    """Every metric of the float model and of the artifact, by name."""
    floats = base["metrics"] if base else {}
    others = compiled["metrics"] if compiled else {}
    return {
        name: PairRecord(base=floats.get(name), compiled=others.get(name))
        for name in sorted(floats.keys() | others.keys())
    }


def search(raw: Json | None) -> SearchRecord | None:
    """The search behind a scheme, from `assignment.json`."""
    if raw is None:
        return None
    chosen, front = _point(raw["chosen"]), tuple(map(_point, raw["front"]))
    return SearchRecord(
        method=raw["method"], cost=raw["cost"], evaluations=raw["evaluations"], chosen=chosen, front=front
    )


def _point(raw: Json) -> PointRecord:
    return PointRecord.model_validate({key: raw[key] for key in PointRecord.model_fields})


def tuning(raw: Json | None) -> TuningRecord | None:
    """The tuning that led to a scheme, from `tuning.json`."""
    if raw is None:
        return None
    steps = tuple(TuningStepRecord.model_validate(step) for step in raw["steps"])
    return TuningRecord(cause=raw["cause"]["is"], steps=steps, chosen=raw["chosen"])


def profile(raw: Json | None) -> ProfileRecord | None:
    """How latency was found."""
    if raw is None:
        return None
    times = raw.get("latency_ms") or {}
    return ProfileRecord(
        base=_spread(times.get("float")),
        compiled=_spread(times.get("compiled")),
        threads=raw.get("threads"),
        runs=raw.get("runs"),
        host=_host(raw.get("host")),
        cycles=raw.get("cycles"),
        sram_bytes=raw.get("sram_bytes"),
        flash_bytes=raw.get("flash_bytes"),
    )


def _spread(times: Json | None) -> SpreadRecord | None:
    if times is None:
        return None
    return SpreadRecord(median=times["median"], p10=times.get("p10"), p90=times.get("p90"))


def _host(host: Json | None) -> str | None:
    return ", ".join(f"{key} {host[key]}" for key in sorted(host)) if host else None


def operators(raw: Json | None) -> tuple[OperatorRecord, ...]:
    """The operators that cost the most, the costliest first."""
    records = [
        OperatorRecord(
            scope=item.get("scope") or "",
            operator=item["operator"],
            time_ms=item.get("time_ms"),
            cycles=item.get("cycles"),
        )
        for item in (raw or {}).get("operators") or ()
    ]
    return tuple(sorted(records, key=lambda item: -(item.time_ms or item.cycles or 0.0))[:SHOWN])


def compiled(manifest: Json | None) -> CompileRecord | None:
    """What the toolchain did."""
    if manifest is None:
        return None
    return CompileRecord(
        toolchain=manifest["toolchain"],
        delegated=manifest.get("delegated"),
        delegates=manifest.get("delegates"),
        not_delegated=tuple(
            NotDelegatedRecord(
                operator=item["operator"], scope=item.get("scope") or "", reason=item.get("reason") or ""
            )
            for item in manifest.get("not_delegated") or ()
        ),
        versions={str(name): str(version) for name, version in (manifest.get("versions") or {}).items()},
    )


def modules(layers: Json | None, sensitivity: Json | None) -> tuple[ModuleRecord, ...]:
    """The ten modules with the most drift, worst first: gq's view of the whole, else aq's of the weights."""
    records = _modules("gq", sensitivity, "scope", "operator", "snr_db", "mse")
    records = records or _modules("aq", layers, "module", "class", "output_snr_db", "output_mse")
    exact = float("inf")
    return tuple(sorted(records, key=lambda item: (exact if item.snr_db is None else item.snr_db, item.scope))[:SHOWN])


def _modules(
    source: Literal["aq", "gq"], raw: Json | None, scope: str, operator: str, snr_db: str, mse: str
) -> list[ModuleRecord]:
    """The modules in a stage's file, whose names for the fields are given."""
    return [
        ModuleRecord(
            scope=item[scope],
            operator=item.get(operator),
            snr_db=item.get(snr_db),
            mse=item.get(mse),
            source=source,
        )
        for item in (raw or {}).get("modules") or ()
    ]


def rewrites(firings: Json | None) -> RewritesRecord | None:
    """What graph optimization did."""
    if firings is None:
        return None
    return RewritesRecord(
        firings=tuple(_firing(item) for item in firings["firings"]),
        refused=len(firings.get("refused") or ()),
        operators_before=sum(firings["operators_before"].values()),
        operators_after=sum(firings["operators_after"].values()),
    )


def _firing(item: Json) -> FiringRecord:
    witness = item.get("witness") or {}
    return FiringRecord(
        rule=item["rule"],
        kind=item["class"],
        scope=item.get("scope") or "",
        reason=item.get("reason"),
        max_abs=witness.get("max_abs"),
        bound=witness.get("bound"),
        rolled_back=bool(item.get("rolled_back")),
    )


def lineage(given: Mapping[str, str], base: Json | None, manifest: Json | None) -> tuple[LineageRecord, ...]:
    """Digests of what the artifact was made from, in the order given, then what its own files state."""
    found = dict(given)
    digest = (base or {}).get("sample_digest")
    if digest:
        found.setdefault("held-out sample, content", digest)
    if manifest is not None:
        found.setdefault("artifact", manifest["sha256"])
    return tuple(LineageRecord(name=name, digest=found[name]) for name in found)

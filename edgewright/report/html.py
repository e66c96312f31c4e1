"""The page: one self-contained HTML file, charts as inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from edgewright.report import changes, charts, format, layers
from edgewright.report import heat as heat_strip
from edgewright.report.answers import Answer, answers
from edgewright.report.terminal import LABELS, totals
from edgewright.report.types import Report, Variant
from edgewright.report.weights import failures_text

METRICS = {
    "perplexity": "perplexity",
    "top1": "top-1",
    "top5": "top-5",
    "logit_mse": "logit MSE",
    "snr": "SNR",
    "agreement": "agreement",
    "ece": "ECE",
    "brier": "Brier",
}
_STAGE_TICKS = {"float": "float", "aq": "aq", "go": "go", "gq": "gq", "compile": "compiled"}
_WEAK_DB, _STRONG_DB = 10.0, 45.0


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model's section: its variants (numbered from 1), answers, charts and quantized layers."""

    name: str
    variants: tuple[Variant, ...]
    answers: tuple[Answer, ...]
    stages: charts.LineChart | None
    size: charts.Scatter | None
    latency: charts.Scatter | None
    layers: layers.Layers | None


def page(report: Report) -> str:
    """The page's HTML; it loads nothing and escapes every string of the report."""
    environment = Environment(
        loader=PackageLoader("edgewright.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        format=format,
        changes=changes,
        charts=charts,
        layers=layers,
        labels=LABELS,
        metrics=METRICS,
        heat=heat,
        heat_strip=heat_strip,
        short=short,
        notes=notes,
    )
    return environment.get_template("page.html.j2").render(models=_models(report), totals=totals(report))


def short(variant: Variant) -> str:
    """A variant's name within its model's section."""
    recipe = "" if variant.aq == "none" else f"{variant.aq} · "
    scheme = "float" if variant.gq == "none" else variant.gq
    return f"{recipe}{scheme} · {variant.target}"


def notes(variant: Variant) -> list[str]:
    """What the stage table must say of its rows."""
    failures = failures_text(variant.details.weights)
    found = [failures] if failures else []
    first, size = changes.row(variant, "float"), variant.size_bytes
    if size.compiled is not None and size.base is not None and first and first.size_bytes != size.base:
        found.append(f"compiled is compared with the float build on {variant.target}: {format.byte_text(size.base)}")
    if changes.fewer_samples(variant):
        base = format.metric_text(variant.metric.base, variant.details.unit)
        found.append(f"compiled was run on {variant.details.samples} samples, on which float has {base}")
    return found


def heat(snr_db: float | None) -> int:
    """Strength of a module's drift in percent: 0 from 45 dB up, 100 from 10 dB down."""
    if snr_db is None:
        return 0
    return round(100 * min(max((_STRONG_DB - snr_db) / (_STRONG_DB - _WEAK_DB), 0.0), 1.0))


def _models(report: Report) -> list[ModelView]:
    names = dict.fromkeys(variant.model for variant in report.variants)
    return [_model(name, [item for item in report.variants if item.model == name]) for name in names]


def _model(name: str, variants: Sequence[Variant]) -> ModelView:
    unit = variants[0].details.unit
    higher = variants[0].details.better == "higher"

    def metric(value: float) -> str:
        return format.metric_text(value, unit)

    stages = [stage for stage in LABELS if any(changes.row(item, stage) for item in variants)]
    series = [
        charts.Series(number, short(item), item.status != "ok", tuple(_metric(item, stage) for stage in stages))
        for number, item in enumerate(variants, 1)
    ]
    base = next((value for item in variants if (value := _metric(item, "float")) is not None), None)
    return ModelView(
        name=name,
        variants=tuple(variants),
        answers=answers(variants),
        stages=charts.line_chart([_STAGE_TICKS[stage] for stage in stages], series, base, metric),
        size=charts.scatter(_samples(variants, "size"), higher, format.byte_text, metric),
        latency=charts.scatter(_samples(variants, "latency"), higher, format.time_text, metric),
        layers=layers.layers(variants),
    )


def _metric(variant: Variant, stage: str) -> float | None:
    row = changes.row(variant, stage)
    return row.metric if row else None


def _samples(variants: Sequence[Variant], figure: str) -> list[charts.Sample]:
    samples = []
    floats: dict[tuple[Any, ...], charts.Sample] = {}
    for number, variant in enumerate(variants, 1):
        latency = variant.latency_ms
        cost, base_cost = (
            (variant.size_bytes.compiled, variant.size_bytes.base)
            if figure == "size"
            else (latency.compiled, latency.base)
        )
        estimate = figure == "latency" and latency.estimate
        # an estimated device and this machine's clock are not one competition
        group = f"{latency.source} on {variant.target}" if estimate else "measured"
        metric, base = variant.metric.compiled, variant.metric.base
        if cost is not None and metric is not None:
            accepted = variant.status == "ok"
            samples.append(
                charts.Sample(number, short(variant), cost, metric, group if accepted else None, estimate, not accepted)
            )
        if base_cost is not None and base is not None:
            key = (variant.target, base_cost if figure == "size" else None)
            floats.setdefault(
                key, charts.Sample(None, f"float · {variant.target}", base_cost, base, None, estimate, False)
            )
    return [*floats.values(), *samples]

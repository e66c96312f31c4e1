"""The small files that `dvc metrics` and `dvc plots` read."""

from typing import Any

from edgewright.report.changes import worse_percent
from edgewright.report.types import Report, Variant


def summary(report: Report) -> dict[str, dict[str, float]]:
    """Variant -> its figures; what a variant does not have is left out, since DVC metrics have no null."""
    return {variant.name: _figures(variant) for variant in report.variants}


def _figures(variant: Variant) -> dict[str, float]:
    figures = {
        variant.metric.name: variant.metric.compiled,
        "size_bytes": variant.size_bytes.compiled,
        "latency_ms": variant.latency_ms.compiled,
        "logit_mse": variant.drift.logit_mse,
    }
    return {name: value for name, value in figures.items() if value is not None}


def stages(report: Report) -> list[dict[str, Any]]:
    """Rows of `plots/stages.json`: the metric after each stage of each variant; `row` sorts as the stages do."""
    return [
        {
            "variant": variant.name,
            "stage": row.stage,
            "row": f"{variant.name} {index} {row.stage}",
            "metric": variant.metric.name,
            "value": row.metric,
            "worse_percent": round(worse, 6) + 0.0,
        }
        for variant in report.variants
        for index, row in enumerate(variant.stages)
        if (worse := worse_percent(variant, row.stage)) is not None
    ]


def trade(report: Report, figure: str) -> list[dict[str, Any]]:
    """Rows of `plots/size.json` and `plots/latency.json`: each compiled variant's metric against `figure`."""
    rows = []
    for variant in report.variants:
        amount = variant.size_bytes.compiled if figure == "size_bytes" else variant.latency_ms.compiled
        worse = worse_percent(variant, "compile")
        if amount is not None and worse is not None:
            rows.append(
                {
                    "variant": variant.name,
                    "metric": variant.metric.name,
                    "value": variant.metric.compiled,
                    "worse_percent": round(worse, 6) + 0.0,
                    figure: amount,
                    "status": variant.status,
                }
            )
    return rows

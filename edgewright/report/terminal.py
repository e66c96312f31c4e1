"""The report in a terminal: per variant one row a stage."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.report.changes import base_metric, base_size, fewer_samples
from edgewright.report.format import (
    MISSING,
    byte_text,
    change_text,
    metric_text,
    seconds_text,
    time_text,
    times_text,
)
from edgewright.report.types import Report, StageRecord, Variant
from edgewright.report.weights import failures_text

LABELS = {
    "float": "float",
    "aq": "after aq",
    "go": "after go",
    "gq": "after gq",
    "compile": "compiled",
}
_STYLES = {"ok": "green", "rejected": "yellow", "failed": "red"}


def print_report(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the content of `report.json` (joined with the run record or not).

    Raises:
        pydantic.ValidationError: it is not a report.
    """
    (console or Console()).print(render(Report.model_validate(report)))


def render(report: Report) -> RenderableType:
    """All variants' tables, of equal column widths, and a line of totals."""
    parts: list[RenderableType] = []
    for variant in report.variants:
        parts += [_title(variant), _table(variant)]
        parts += [Text(note, style="dim") for note in _notes(variant)]
        parts.append(Text(""))
    return Group(*parts, Text(totals(report), style="bold"))


def totals(report: Report) -> str:
    """`4 variants: 2 ok, 1 rejected, 1 failed`."""
    count = len(report.variants)
    states = [variant.status for variant in report.variants]
    parts = [f"{states.count(state)} {state}" for state in ("ok", "rejected", "failed") if state in states]
    return f"{count} variant{'' if count == 1 else 's'}: {', '.join(parts)}"


def _title(variant: Variant) -> Text:
    text = Text(variant.name, style="bold")
    text.append(f"  {variant.status}", style=f"bold {_STYLES[variant.status]}")
    if variant.reason:
        text.append(f"  {variant.reason}", style=_STYLES[variant.status])
    return text


def _table(variant: Variant) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("  stage", min_width=10)
    table.add_column(variant.metric.name, justify="right", min_width=10)
    table.add_column("change", justify="right", min_width=7)
    table.add_column("size", justify="right", min_width=8)
    table.add_column("smaller", justify="right", min_width=7)
    table.add_column("latency", justify="right", min_width=8)
    table.add_column("faster", justify="right", min_width=6)
    if any(item.state for item in variant.stages):
        table.add_column("state", min_width=9)
        table.add_column("took", justify="right", min_width=6)
    for item in variant.stages:
        cells = _cells(variant, item)
        if len(table.columns) > len(cells):
            cells += [item.state or MISSING, seconds_text(item.seconds)]
        table.add_row(*cells, style="bold" if item.stage == "compile" else None)
    return table


def _cells(variant: Variant, item: StageRecord) -> list[str]:
    first, compiled = item.stage == "float", item.stage == "compile"
    latency = time_text(item.latency_ms)
    if compiled and variant.latency_ms.estimate and item.latency_ms is not None:
        latency = f"~{latency}"
    return [
        f"  {LABELS[item.stage]}",
        metric_text(item.metric, variant.details.unit),
        "" if first else change_text(item.metric, base_metric(variant, item.stage)),
        byte_text(item.size_bytes),
        "" if first else times_text(item.size_bytes, base_size(variant, item.stage)),
        latency,
        times_text(item.latency_ms, variant.latency_ms.base) if compiled else "",
    ]


def _notes(variant: Variant) -> list[str]:
    notes = []
    failures = failures_text(variant.details.weights)
    if failures:
        notes.append(f"  {failures}")
    if variant.latency_ms.estimate:
        notes.append(f"  ~ latency is an estimate: {variant.latency_ms.source}")
    elif variant.latency_ms.compiled is None and variant.latency_ms.source:
        notes.append(f"  latency: {variant.latency_ms.source}")
    if variant.details.synthetic:
        notes.append("  metric and drift on synthetic input: the model has no evaluation data")
    if fewer_samples(variant):
        notes.append(
            f"  compiled was run on {variant.details.samples} samples, on which float has "
            f"{metric_text(variant.metric.base, variant.details.unit)}"
        )
    return notes

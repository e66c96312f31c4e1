"""Write a report's files."""

from pathlib import Path

from edgewright.files import write_json
from edgewright.report import plots
from edgewright.report.html import page
from edgewright.report.types import Report


def write(report: Report, folder: Path) -> None:
    """Write `report.json`, `report.html`, `summary.json` and `plots/{stages,size,latency}.json` into `folder`.

    Equal reports give equal bytes: no clock, no host but the one that a profile names.
    """
    write_json(folder / "report.json", report.model_dump(mode="json"))
    write_json(folder / "summary.json", plots.summary(report))
    write_json(folder / "plots" / "stages.json", plots.stages(report))
    write_json(folder / "plots" / "size.json", plots.trade(report, "size_bytes"))
    write_json(folder / "plots" / "latency.json", plots.trade(report, "latency_ms"))
    (folder / "report.html").write_text(page(report), encoding="utf-8")

"""Tables, JSON and the page that people read."""

from edgewright.report.collect import StageFiles, VariantFiles, collect, collect_variant
from edgewright.report.join import join_run_record
from edgewright.report.terminal import print_report
from edgewright.report.types import Report, Variant
from edgewright.report.write import write

__all__ = [
    "Report",
    "StageFiles",
    "Variant",
    "VariantFiles",
    "collect",
    "collect_variant",
    "join_run_record",
    "print_report",
    "write",
]

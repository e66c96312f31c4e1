"""The state and duration of stages, which live in the run record and not in the report."""

from collections.abc import Mapping
from typing import Any


def join_run_record(report: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The report with `state` and `seconds` of each stage row.

    Args:
        report: content of `reports/report.json`.
        record: content of `reports/run.json`: {"stages": {"aq@KEY": {"state", "seconds", ...}}}; the float row is
            the instance of stage `model`.

    Returns:
        A new report of the same schema; rows without an instance keep null.
    """
    instances = record.get("stages") or {}
    return {**report, "variants": [_joined(variant, instances) for variant in report["variants"]]}


def _joined(variant: Mapping[str, Any], instances: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for row in variant["stages"]:
        stage = "model" if row["stage"] == "float" else row["stage"]
        instance = instances.get(f"{stage}@{row['key']}") or {}
        rows.append({**row, "state": instance.get("state"), "seconds": instance.get("seconds")})
    return {**variant, "stages": rows}

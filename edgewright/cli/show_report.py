"""The report in the terminal, and the exit code that its variants ask for: the one place that calls the report."""

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from edgewright.engine.state import Outcome
from edgewright.engine.workspace import Workspace
from edgewright.errors import BudgetError, ConfigError
from edgewright.files import read_json

PAGE = "reports/report.html"


def stored(workspace: Workspace) -> dict[str, Any]:
    """The content of reports/report.json.

    Raises:
        ConfigError: it is missing or no JSON.
    """
    try:
        value: dict[str, Any] = read_json(workspace.root / "reports" / "report.json")
    except FileNotFoundError as error:
        raise ConfigError("reports/report.json: missing; `edgewright run` makes it") from error
    except ValueError as error:
        raise ConfigError("reports/report.json: not JSON; `edgewright run` makes it anew") from error
    return value


def of_outcome(workspace: Workspace, outcome: Outcome, variants: Collection[str] | None) -> dict[str, Any]:
    """The report after a run: the stored one, or one assembled from what exists where the run was in part or failed.

    A full run that failed leaves its assembled report in reports/; a run of some variants leaves it alone.
    """
    if variants is None and not outcome.failed:
        return stored(workspace)
    from edgewright.engine.report_files import assemble
    from edgewright.report import write

    report = assemble(workspace, {result.name: result.message for result in outcome.failed})
    if variants is None:
        _replace_reports(workspace, lambda folder: write(report, folder))
    value = report.model_dump(mode="json")
    if variants is not None:
        value["variants"] = [variant for variant in value["variants"] if variant["name"] in variants]
    return value


def show(workspace: Workspace, report: Mapping[str, Any], console: Console) -> None:
    """Print the table, with state and duration of the stages where a run record has them."""
    from edgewright.engine import run_record
    from edgewright.report import join_run_record, print_report

    print_report(join_run_record(report, {"stages": run_record.read(workspace)}), console)


def require_ok(report: Mapping[str, Any]) -> None:
    """Raise for the variants that are rejected or failed.

    Raises:
        BudgetError: a line for each, with its reason.
    """
    bad = [variant for variant in report["variants"] if variant["status"] != "ok"]
    if bad:
        raise BudgetError("\n".join(f"{item['name']} {item['status']}: {item['reason']}" for item in bad))


def _replace_reports(workspace: Workspace, write: Any) -> None:
    """Write beside and put each file in place at once: DVC may have linked what is there to its cache."""
    reports = workspace.root / "reports"
    reports.mkdir(exist_ok=True)
    workspace.scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as name:
        write(Path(name))
        for item in sorted(Path(name).iterdir()):
            target = reports / item.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(item, target)

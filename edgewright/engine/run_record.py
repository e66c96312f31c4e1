"""reports/run.json: how long each stage instance took; a fact of one run, so no artifact."""

from typing import Any

from edgewright.engine import leftovers
from edgewright.engine.state import Outcome
from edgewright.engine.workspace import Workspace
from edgewright.files import read_json, write_json

SCHEMA = 1


def write(workspace: Workspace, outcome: Outcome) -> None:
    """Record a run. Instances that it did not include keep what is known of them."""
    stages = read(workspace)
    for result in outcome.results.values():
        stages[result.name] = {
            "state": result.state.value,
            "seconds": round(result.seconds, 3),
            "message": result.message or None,
            "exit_code": result.exit_code,
        }
    plan = workspace.plan()
    current = {f"{stage}@{key}" for stage, items in plan.items() if isinstance(items, dict) for key in items}
    kept = {name: value for name, value in stages.items() if "@" not in name or name in current}
    with leftovers.published(workspace.root / "reports" / "run.json") as path:
        write_json(path, {"schema": SCHEMA, "stages": kept})


def read(workspace: Workspace) -> dict[str, Any]:
    """`{"aq@KEY": {"state", "seconds", "message", "exit_code"}}`; empty before the first run."""
    try:
        value = read_json(workspace.root / "reports" / "run.json")
    except (FileNotFoundError, ValueError):
        return {}
    stages: dict[str, Any] = value.get("stages", {})
    return stages

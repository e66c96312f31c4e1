"""The first stage of dvc.yaml: `dvc repro` stops in one line when the plan is stale."""

import sys
from pathlib import Path

from edgewright.engine import leftovers, marker, plan
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError, EdgewrightError
from edgewright.files import write_json
from edgewright.processes import die_with_parent

CHECKED = "data/guard/checked.json"


def main() -> int:
    """Check the workspace in the current folder; the exit code."""
    die_with_parent()
    workspace = Workspace(Path.cwd())
    marker.write("started")
    try:
        if stale := plan.check(workspace):
            raise ConfigError(stale)
    except EdgewrightError as error:
        marker.write("failed", exit_code=error.exit_code, message=str(error))
        print(f"guard: {error}", file=sys.stderr)
        return error.exit_code
    with leftovers.published(workspace.root / CHECKED) as path:
        write_json(path, {"schema": 1, "plan": "current"})
    marker.write("completed", exit_code=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

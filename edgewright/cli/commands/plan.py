"""`edgewright plan`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgewright.engine.workspace import Workspace

EXAMPLES = (
    ("edgewright plan", "write plan.json and code.json; show which stages would run, and why"),
    ("edgewright plan --check", "write nothing; fail when they are stale (for pre-commit and CI)"),
)


def command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 when the plan is stale.")] = False,
) -> None:
    """Bring plan.json and code.json up to date, and show which stages would run and why."""
    from edgewright.cli.recovered import recovered
    from edgewright.engine import plan
    from edgewright.engine.validate import require_valid
    from edgewright.engine.workspace import Workspace
    from edgewright.errors import ConfigError

    workspace = Workspace.find()
    if check:
        if stale := plan.check(workspace):
            raise ConfigError(stale)
        return
    require_valid(workspace)
    changed = plan.write(workspace)
    if changed:
        print(f"written: {', '.join(changed)}")
    recovered()
    _show(workspace)


def _show(workspace: "Workspace") -> None:
    from edgewright.engine.preview import preview
    from edgewright.engine.workspace import STAGES

    pending, plan = preview(workspace), workspace.plan()
    total = sum(len(plan[stage]) for stage in STAGES) + 1  # the report
    if not pending:
        print(f"nothing to do: {total} stages up to date")
        return
    width = max(len(item.name) for item in pending)
    for item in pending:
        print(f"  {item.name:<{width}}  {item.reason}")
    print(f"{len(pending)} of {total} stages would run")

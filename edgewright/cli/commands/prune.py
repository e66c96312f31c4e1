"""`edgewright prune`."""

from typing import Annotated

import typer

EXAMPLES = (
    ("edgewright prune --dry-run", "what would go, and its size"),
    ("edgewright prune", "remove it; it comes back from DVC's cache with its variant"),
)


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
) -> None:
    """Remove the files of variants that params.yaml no longer has."""
    from edgewright.engine import plan, prune
    from edgewright.engine.validate import require_valid
    from edgewright.engine.workspace import Workspace
    from edgewright.report.format import byte_text

    workspace = Workspace.find()
    require_valid(workspace)
    if changed := plan.write(workspace):
        print(f"planned anew: {', '.join(changed)}")
    found = prune.dropped(workspace)
    items = [item for item in found if item.restorable]
    if not dry_run:
        prune.remove(workspace, items)
    for item in items:
        print(f"  {item.path}  {byte_text(item.size_bytes)}")
    total = byte_text(sum(item.size_bytes for item in items))
    verb = "would remove" if dry_run else "removed"
    print(f"{verb} {len(items)} artifacts, {total}" if items else "nothing to prune")
    for item in found:
        if not item.restorable:
            print(f"  {item.path} is not as a run that ended has left it: left alone")


"""The workspace of the current folder, with what a kill has left behind put right."""

import sys

from edgewright.engine.workspace import Workspace


def recovered() -> Workspace:
    """The workspace; each repair is a line on standard error."""
    from edgewright.engine import recovery

    workspace = Workspace.find()
    for notice in recovery.recover(workspace, tell):
        tell(notice)
    return workspace


def tell(notice: str) -> None:
    """Show a notice, apart from what the command prints."""
    print(notice, file=sys.stderr)

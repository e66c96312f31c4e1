"""`edgewright pull`."""

from typing import Annotated

import typer

EXAMPLES = (
    ("edgewright pull", "from the default remote of `dvc remote`"),
    ("edgewright pull --remote /mnt/team/edgewright", "from a shared folder"),
)


def command(
    remote: Annotated[
        str | None, typer.Option(metavar="NAME|URL|PATH", help="Remote; the default one if absent.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Parallel transfers.")] = None,
) -> None:
    """Get everything that was pushed; a run afterwards restores it and computes nothing."""
    from edgewright.engine import share
    from edgewright.engine.workspace import Workspace

    moved = share.pull(Workspace.find().root, remote, jobs)
    if not moved.objects and not moved.entries:
        print(f"everything of {moved.remote} is here already")
    else:
        print(f"pulled {moved.objects} files and {moved.entries} results from {moved.remote}")
    if moved.incomplete:
        print(f"{moved.incomplete} results are incomplete on the remote and will be computed when needed")

"""`edgewright push`."""

from typing import Annotated

import typer

EXAMPLES = (
    ("edgewright push", "to the default remote of `dvc remote`"),
    ("edgewright push --remote /mnt/team/edgewright", "to a shared folder"),
    ("edgewright push --remote s3://bucket/edgewright", "to an object store (needs `pip install dvc-s3`)"),
)


def command(
    remote: Annotated[
        str | None, typer.Option(metavar="NAME|URL|PATH", help="Remote; the default one if absent.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Parallel transfers.")] = None,
) -> None:
    """Share everything that was built, committed or not, with whoever has the remote."""
    from edgewright.engine import share
    from edgewright.engine.workspace import Workspace

    moved = share.push(Workspace.find().root, remote, jobs)
    if not moved.objects and not moved.entries:
        print(f"{moved.remote} has everything already")
    else:
        print(f"pushed {moved.objects} files and {moved.entries} results to {moved.remote}")
    if moved.incomplete:
        print(f"{moved.incomplete} results stay here: their files are no longer in the cache")

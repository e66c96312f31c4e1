"""`edgewright push`."""

from edgewright.cli.options import Jobs, Remote

EXAMPLES = (
    ("edgewright push", "to the default remote of `dvc remote`"),
    ("edgewright push --remote /mnt/team/edgewright", "to a shared folder"),
    ("edgewright push --remote s3://bucket/edgewright", "to an object store (needs `pip install dvc-s3`)"),
)


def command(remote: Remote = None, jobs: Jobs = None) -> None:
    """Share everything that was built, committed or not, with whoever has the remote."""
    from edgewright.cli.recovered import recovered, tell
    from edgewright.engine import share

    moved = share.push(recovered().root, remote, jobs, tell)
    if not moved.objects and not moved.entries:
        print(f"{moved.remote} has everything already")
    else:
        print(f"pushed {moved.objects} files and {moved.entries} results to {moved.remote}")
    if moved.incomplete:
        print(f"{moved.incomplete} results stay here: their files are no longer in the cache")

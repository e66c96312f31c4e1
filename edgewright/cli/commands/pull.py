"""`edgewright pull`."""

from edgewright.cli.options import Jobs, Remote

EXAMPLES = (
    ("edgewright pull", "from the default remote of `dvc remote`"),
    ("edgewright pull --remote /mnt/team/edgewright", "from a shared folder"),
)


def command(remote: Remote = None, jobs: Jobs = None) -> None:
    """Get everything that was pushed; a run afterwards restores it and computes nothing."""
    from edgewright.cli.recovered import recovered, tell
    from edgewright.engine import share

    moved = share.pull(recovered().root, remote, jobs, tell)
    if not moved.objects and not moved.entries:
        print(f"everything of {moved.remote} is here already")
    else:
        print(f"pulled {moved.objects} files and {moved.entries} results from {moved.remote}")
    if moved.incomplete:
        print(f"{moved.incomplete} results are incomplete or broken on the remote and will be computed when needed")

"""`edgewright report`."""

EXAMPLES = (("edgewright report", "the table of the last run, and where its page lies"),)


def command() -> None:
    """Show the report again."""
    import sys

    from rich.console import Console

    from edgewright.cli import show_report
    from edgewright.engine.workspace import Workspace

    workspace = Workspace.find()
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    show_report.show(workspace, show_report.stored(workspace), console)
    console.print(f"report: {workspace.root / show_report.PAGE}")

"""`edgewright run`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.engine.state import Outcome, Result
    from edgewright.engine.workspace import Workspace

EXAMPLES = (
    ("edgewright run", "build whatever is not up to date, then show the report"),
    ("edgewright run --jobs 1", "one stage at a time"),
    ("edgewright run resnet8--none--w8a8--xnnpack", "one variant only"),
)


def _variants(incomplete: str) -> list[str]:
    """Names of the plan's variants, for completion."""
    from edgewright.engine.workspace import Workspace
    from edgewright.errors import EdgewrightError

    try:
        names = [variant["name"] for variant in Workspace.find().plan()["variants"]]
    except EdgewrightError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def command(
    variants: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VARIANT]...", autocompletion=_variants,
                       help="model--aq--gq--target; all variants by default."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Stages at a time; one a core by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run the stages even if nothing has changed.")] = False,
) -> None:
    """Build what params.yaml asks for and what is not built yet."""
    from rich.console import Console

    from edgewright.cli import show_report
    from edgewright.cli.live import view
    from edgewright.engine.build import build
    from edgewright.engine.state import State
    from edgewright.engine.workspace import Workspace
    from edgewright.report.format import seconds_text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    workspace = Workspace.find()
    chosen = variants or None
    with view(console) as show:
        outcome = build(workspace, variants=chosen, jobs=jobs, force=force, on_event=show)
    results = outcome.results.values()
    if outcome.is_cached:
        console.print(f"nothing to do: {len(results)} stages up to date")
        report = show_report.of_outcome(workspace, outcome, chosen)
        _path(console, workspace, chosen)
        show_report.require_ok(report)
        return
    _tell_failures(console, workspace, outcome)
    report = show_report.of_outcome(workspace, outcome, chosen)
    console.print()
    show_report.show(workspace, report, console)
    counts = [(state, sum(result.state is state for result in results)) for state in State]
    console.print("stages: " + ", ".join(f"{count} {state.lower()}" for state, count in counts if count)
                  + f"; {seconds_text(sum(result.seconds for result in results))} of work")
    _path(console, workspace, chosen)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)
    show_report.require_ok(report)


def _path(console: "Console", workspace: "Workspace", chosen: list[str] | None) -> None:
    from edgewright.cli.show_report import PAGE

    if chosen is None:
        console.print(f"report: {workspace.root / PAGE}")


def _tell_failures(console: "Console", workspace: "Workspace", outcome: "Outcome") -> None:
    """Each failure in a line on standard error; of a bug of ours, the traceback too."""
    for result in outcome.failed:
        print(f"error: {result.name}: {result.message}", file=sys.stderr)
        if result.exit_code == 1:
            print(_traceback(workspace, result), file=sys.stderr)


def _traceback(workspace: "Workspace", result: "Result") -> str:
    log = workspace.log(result.name)
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    start = text.rfind("Traceback (most recent call last)")
    return f"{text[start:].rstrip()}\n" if start >= 0 else f"see {log.relative_to(workspace.root)}"

"""The commands put together: a file in `commands/` is a command, found by its name.

A command's module exposes `command`, a function whose docstring is the help, and `EXAMPLES`, pairs of
a command line and what it does; both are imported at once, so what they need in turn is imported inside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from edgewright import registry

PACKAGE = "edgewright.cli.commands"
_UNWRAPPED = "\b"
_ORDER = ("init", "validate", "plan", "run", "report", "probe", "push", "pull", "prune", "verify")
_HELP = """Make a trained PyTorch model fit an edge device.

params.yaml says which models, algorithms and targets; `edgewright run` builds what is not built yet.

Exit codes: 0 done, 1 a bug of ours, 2 the configuration is wrong, 3 the data or the model is wrong,
4 a variant failed or missed its budget while the others finished.
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, the function behind it, and its examples (line, what it does)."""

    name: str
    function: Callable[..., Any]
    examples: Sequence[tuple[str, str]]


def commands() -> tuple[Command, ...]:
    """All commands, those of everyday use in the order of use, others after them by name."""
    found = []
    for name in registry.names(PACKAGE):
        module = registry.load(PACKAGE, name)
        found.append(Command(name, module.command, module.EXAMPLES))
    return tuple(sorted(found, key=lambda command: (_rank(command.name), command.name)))


def build() -> typer.Typer:
    """The command line, ready to be called."""
    application = typer.Typer(
        name="edgewright", help=_HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_options)
    for command in commands():
        application.command(command.name, help=_help(command))(command.function)
    return application


def _version(given: bool) -> None:
    if given:
        from importlib.metadata import version

        print(f"edgewright {version('edgewright')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Options of the program itself."""


def _help(command: Command) -> str:
    """The docstring and the examples, whose lines the paragraph mark keeps apart."""
    lines = [part for line, what in command.examples for part in (f"  {line}", f"      {what}")]
    return "\n".join([command.function.__doc__ or "", "", _UNWRAPPED, "Examples:", *lines])


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)

"""`edgewright targets`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgewright.targets.schema import Channels, Operator

EXAMPLES = (
    ("edgewright targets list", "the devices, and the schemes of each"),
    ("edgewright targets show ethos-u55-128", "what the device does with each operator, and in which forms"),
    ("edgewright targets probe onnxruntime relu sigmoid", "compile these lines of its map alone, to see whether they "
     "are true"),
)


def _names(incomplete: str) -> list[str]:
    from edgewright import targets

    return [name for name in targets.names() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="The target.", autocompletion=_names)]


def command() -> None:
    """Show the devices and their capability maps, and prove a map against its toolchain."""
    from contextlib import suppress

    from edgewright.engine.workspace import Workspace
    from edgewright.errors import ConfigError

    # A workspace may have target files of its own, but these commands work outside of one too.
    with suppress(ConfigError):
        Workspace.find()


def list_targets() -> None:
    """List the devices: toolchain, schemes, and what they are."""
    from rich.console import Console
    from rich.table import Column, Table

    from edgewright import targets

    table = Table(Column("target", no_wrap=True), "toolchain", "schemes", "device", box=None)
    for name in targets.names():
        target = targets.load(name)
        quantized = [scheme.partition(" ")[0] for scheme in targets.schemes(target)]
        names = ["float"] * target.float_build + ["float16"] * target.float16 + quantized
        table.add_row(name, target.toolchain, ", ".join(names), target.description)
    Console(highlight=False).print(table)


def show(name: Name) -> None:
    """Show the capability map of a device, and the schemes that it can do."""
    from rich.console import Console
    from rich.table import Column, Table

    from edgewright import targets

    target = targets.load(name)
    console = Console(highlight=False)
    console.print(f"{target.name}: {target.description}")
    for option, value in target.options.items():
        console.print(f"  {option}: {value}")
    console.print("schemes:")
    if target.float_build:
        console.print("  float")
    for scheme, operators in targets.schemes(target).items():
        console.print(f"  {scheme} for {', '.join(operators)}")
    table = Table(Column("operator", no_wrap=True), "float", "forms", "fuses", "absorbs", "output", "limit", box=None)
    for op, entry in sorted(target.operators.items()):
        table.add_row(
            op, "yes" if entry.runs_float else "", ", ".join(kernel.name for kernel in entry.quantized),
            ", ".join(entry.fuses), ", ".join(entry.absorbs), entry.output if entry.quantized else "", _limit(entry),
        )  # fmt: skip
    console.print(table)


def _limit(entry: "Operator") -> str:
    """The bounds that keep an operator float, then what is for people alone."""
    bounds = [(key, value) for key, value in entry.bounds if value is not None]
    parts = [f"{key.replace('_', ' ')} {_bound(value)}" for key, value in bounds]
    return "; ".join([*parts, *([entry.limit] if entry.limit else [])])


def _bound(value: "int | tuple[int, ...] | Channels") -> str:
    if not isinstance(value, int | tuple):
        return str(value)
    return " or ".join(map(str, value)) if isinstance(value, tuple) else f"at most {value}"


def probe(
    name: Name,
    operators: Annotated[
        list[str] | None, typer.Argument(metavar="[OPERATOR]...", help="Lines of the map; all where none is given.")
    ] = None,
) -> None:
    """Compile each operator of a map alone, in each form, and compare the artifact with the program.

    A line for each says whether the toolchain took all of it, and how far apart the two outputs are. Exit code 4:
    a line of the map is not what the toolchain does.
    """
    from edgewright import targets
    from edgewright.errors import ContradictionError

    target = targets.load(name)
    tried = failed = 0
    with _without_warnings():
        from edgewright.targets.probe import prove

        for found in prove(target, operators or ()):
            print(f"{name:16} {found}", flush=True)
            tried, failed = tried + 1, failed + (not found.holds)
    summary = f"{tried} line{'' if tried == 1 else 's'} tried"
    if failed:
        raise ContradictionError(f"{name}: {failed} of {summary}: the toolchain does otherwise than the map says")
    print(f"{name}: {summary}, all hold")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Mute what toolchains say of themselves while they import and compile: it would stand between the lines."""
    import logging
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


COMMANDS = {"list": list_targets, "show": show, "probe": probe}

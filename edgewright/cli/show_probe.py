"""A comparison of two artifacts in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgewright.compare.comparison import Comparison, Module
from edgewright.compare.histogram import Histograms, sparkline
from edgewright.compare.sums import Figures

SHOWN = 10
"""Operators that are shown where not all are asked for."""


def show(found: Comparison, modules: Sequence[Module], console: Console, *, histograms: bool) -> None:
    """Print the table of `modules`, the output, and what was not compared."""
    console.print(f"{found.second} against {found.first}, {found.samples} rows, what does most harm first")
    if found.parts is not None:
        console.print("share: of the output error, each alone; local: reads what the first artifact gives; then drift")
    if modules:
        console.print(_table(found, modules))
    if len(modules) < len(found.modules):
        console.print(f"{len(modules)} of {len(found.modules)} operators; --all shows the others")
    if histograms:
        for module in modules:
            _histograms(module, console)
    output = found.output
    console.print(
        f"output: SNR {_db(output)}, cosine {output.cosine:.6f}, MSE {output.mse:.3g}, "
        f"max error {output.max_error:.3g}"
    )
    if found.parts is not None:
        note = found.note
        console.print(Text(f"parts and whole differ: {note}", style="yellow") if note else _agreement(found))
    alone = [item for item in found.not_compared if item.reason == "no counterpart"]
    if alone:
        names = ", ".join(f"{item.scope or 'root'} {item.operator} ({item.side})" for item in alone[:SHOWN])
        more = f" and {len(alone) - SHOWN} more" if len(alone) > SHOWN else ""
        console.print(f"not compared, for one side has them alone: {names}{more}")
    for line in found.notes:
        console.print(Text(line, style="yellow"))


def yaml_lines(found: Comparison, modules: Sequence[Module]) -> list[str]:
    """Lines for `gq.<scheme>.layers`, each with the reason as a comment."""
    return [f"{line}  # {_reason(found, module)}" for module in modules for line in module.yaml_lines()]


def _reason(found: Comparison, module: Module) -> str:
    share = found.share(module)
    parts = [] if share is None else [f"{100 * share:.1f} % of the output error"]
    return ", ".join([*parts, f"drift {_db(module.drift)}, cosine {module.drift.cosine:.6f}, "
                              f"MSE {module.drift.mse:.3g}"])


def _agreement(found: Comparison) -> str:
    assert found.parts is not None
    return f"sum of the parts: {found.parts.total:.3g}, the whole: {found.parts.whole:.3g}"


def _table(found: Comparison, modules: Sequence[Module]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operator", overflow="fold")
    columns = {
        "share": [_percent(found.share(module)) for module in modules],
        "local dB": ["" if module.local is None else _db(module.local, "") for module in modules],
        "SNR dB": [_db(module.drift, "") for module in modules],
        "cosine": [f"{module.drift.cosine:.5f}" for module in modules],
        "MSE": [f"{module.drift.mse:.2e}" for module in modules],
        "max": [f"{module.drift.max_error:.3g}" for module in modules],
    }
    known = {name: cells for name, cells in columns.items() if any(cells)}
    for name in known:
        table.add_column(name, justify="right", no_wrap=True)
    for module, cells in zip(modules, zip(*known.values(), strict=True), strict=True):
        table.add_row(Text.assemble(module.scope or "root", " ", (module.operator, "dim")), *cells)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _histograms(module: Module, console: Console) -> None:
    weights = module.weights.histograms if module.weights else None
    for name, found in (("weights", weights), ("output", module.activations)):
        if found is not None:
            console.print(Text(f"{module.scope or 'root'} {module.operator}: {name}", style="bold"))
            _pair(found, console)


def _pair(found: Histograms, console: Console) -> None:
    for side, counts in (("A", found.first), ("B", found.second)):
        console.print(Text(f"  {side} {found.low:>10.4g} |{sparkline(counts)}| {found.high:.4g}"))


def _db(figures: Figures, unit: str = " dB") -> str:
    if figures.not_finite:
        return f"{figures.not_finite} not finite"
    return "equal" if figures.snr_db is None else f"{figures.snr_db:.1f}{unit}"

"""The layers of a model side by side: what each recipe made of them, and which did best where."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edgewright.report.types import LayerRecord, LeftRecord, Variant, WeightsRecord
from edgewright.report.weights import quality


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe of a model: number of its first variant, its layers, and how often it was best of how many contests."""

    name: str
    number: int
    weights: WeightsRecord
    wins: int
    contests: int

    @property
    def gain_db(self) -> float | None:
        """Median over the layers of the gain over rounding to nearest."""
        gains = [layer.gain_db for layer in self.weights.layers if layer.gain_db is not None]
        return median(gains) if gains else None


@dataclass(frozen=True, slots=True)
class Cell:
    """A layer as one recipe left it (None: float), and whether no other recipe of its grid did better."""

    layer: LayerRecord | None
    best: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A layer under each recipe, in their order."""

    scope: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """The recipes of a model, and its layers with the worst first."""

    recipes: tuple[Recipe, ...]
    rows: tuple[Row, ...]


def layers(variants: Sequence[Variant]) -> Layers | None:
    """The comparison of the recipes of one model; None where no recipe has figures.

    Layers compete where two recipes give them the same format, bits and group: fewer bits would always lose. The
    highest SNR wins; equal figures win together, unless all are equal.
    """
    found: dict[str, tuple[int, WeightsRecord]] = {}
    for number, variant in enumerate(variants, 1):
        if variant.details.weights is not None:
            found.setdefault(variant.aq, (number, variant.details.weights))
    if not found:
        return None
    by_scope = [{layer.scope: layer for layer in record.layers} for _, record in found.values()]
    names = dict.fromkeys(scope for item in by_scope for scope in item)
    rows, wins, contests = [], [0] * len(found), [0] * len(found)
    for scope in names:
        entries = [item.get(scope) for item in by_scope]
        best, contested = _contest(entries)
        rows.append(Row(scope, tuple(Cell(entry, index in best) for index, entry in enumerate(entries))))
        for index in range(len(found)):
            wins[index] += index in best
            contests[index] += index in contested
    recipes = (
        Recipe(name, number, record, wins[index], contests[index])
        for index, (name, (number, record)) in enumerate(found.items())
    )
    return Layers(tuple(recipes), tuple(sorted(rows, key=lambda row: (_worst(row), row.scope))))


def grid_text(layer: LayerRecord) -> str:
    """Format and group: `int4 g32`, `int8 per row, asymmetric`, `mxfp4`."""
    if layer.format != "int":
        return layer.format
    group = f" g{layer.group}" if layer.group else " per row"
    return f"int{layer.bits}{group}{'' if layer.symmetric else ', asymmetric'}"


def reasons(left: Sequence[LeftRecord]) -> list[tuple[str, int]]:
    """Each reason and how many layers it holds for, the commonest first."""
    return Counter(item.reason for item in left).most_common()


def _contest(entries: Sequence[LayerRecord | None]) -> tuple[set[int], set[int]]:
    """Indices of the best entries, and of all that had another of their grid to compete with."""
    grids: dict[tuple[str, int, int | None], list[int]] = {}
    for index, entry in enumerate(entries):
        if entry is not None and entry.output_mse is not None:
            grids.setdefault((entry.format, entry.bits, entry.group), []).append(index)
    best, contested = set[int](), set[int]()
    for indices in grids.values():
        figures = {index: quality(entry) for index in indices if (entry := entries[index]) is not None}
        if len(set(figures.values())) > 1:
            top = max(figures.values())
            best.update(index for index in indices if figures[index] == top)
        if len(figures) > 1:
            contested.update(indices)
    return best, contested


def _worst(row: Row) -> float:
    return min(quality(cell.layer) for cell in row.cells if cell.layer is not None)

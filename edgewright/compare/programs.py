"""Two Programs side by side, over rows of a sample."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Node

from edgewright.compare.comparison import Comparison, Histogrammed, Module, Parts, worst_first
from edgewright.compare.entries import Entry, entries, not_compared
from edgewright.compare.histogram import HistogramPair
from edgewright.compare.interpreters import Alone, Row, Showing, TeacherForced, outputs_of
from edgewright.compare.match import match
from edgewright.compare.sums import Sums
from edgewright.compare.values import INPUT, Place, places, values
from edgewright.errors import InputError
from edgewright.threads import one_thread

Rows = Callable[[], Iterable[Row]]


def compare(
    names: tuple[str, str],
    modules: tuple[GraphModule, GraphModule],
    rows: Rows,
    *,
    parts: bool = True,
    histograms: bool = False,
) -> Comparison:
    """Run two Programs over the same rows and compare what their operators give out.

    Memory holds the tensors of one batch of each Program.

    Args:
        names: what the two are called; the first is the reference.
        modules: the unlifted Programs.
        rows: gives the inputs, batch by batch, each time it is called.
        parts: also run the first Program once for each operator and batch with that operator's tensor replaced.
        histograms: also count weights and activations, in a second pass.

    Raises:
        InputError: the two have no operator in common, or outputs of different shapes.
    """
    with one_thread():
        sides = _Sides(names, modules)
        return sides.compare(rows, parts, histograms)


class _Sides:
    def __init__(self, names: tuple[str, str], modules: tuple[GraphModule, GraphModule]) -> None:
        self._names = names
        self._places = first, second = places(modules[0]), places(modules[1])
        self._match = match(values(modules[0], first), values(modules[1], second))
        self._entries = entries(self._match)
        if all(entry.head[1].operator == INPUT for entry in self._entries):
            raise InputError(f"{names[0]} and {names[1]} have no operator in common: are they of one model?")
        self._alone = Alone(modules[0])
        heads = {entry.head[1].name for entry in self._entries if entry.head is not entry.pair}
        given = {second[b.name]: first[a.name] for a, b in self._match.pairs if b.name not in heads}
        self._sources = {place.node: source.stored for place, source in given.items()}
        self._made: dict[Node, torch.Tensor] = {}
        self._local: dict[Node, torch.Tensor] = {}
        shown = [second[b.name].stored for _, b in self._match.pairs]
        weights = [place.weight for place in second.values() if place.weight is not None]
        self._drifting = Showing(modules[1], [*shown, *weights], self._made.__setitem__)
        self._forced = TeacherForced(modules[1], list(given), self._local.__setitem__)

    def compare(self, rows: Rows, parts: bool, histograms: bool) -> Comparison:
        count = len(self._entries)
        drift, local, alone = ([Sums() for _ in range(count)] for _ in range(3))
        activations = [HistogramPair() for _ in range(count)]
        weights: list[Histogrammed | None] = [None] * count
        output, samples = Sums(), 0
        for row in rows():
            expected = self._run(row, output)
            for index, entry in enumerate(self._entries):
                place, wanted, drifted = self._tensors(entry)
                made = self._local[self._places[1][entry.pair[1].name].stored]
                drift[index].add(_array(wanted), _array(drifted))
                local[index].add(_array(wanted), _array(made))
                if parts:
                    self._add(alone[index], expected, self._alone.replaced(place, made))
                if histograms:
                    activations[index].look(_array(wanted), _array(drifted))
            if histograms and not samples:
                weights = [self._weight(entry) for entry in self._entries]
            samples += len(row[0])
        if histograms:
            self._count(rows, activations)
        modules = (
            Module(
                entry.scope,
                entry.operator,
                drift[index].figures(),
                local[index].figures(),
                alone[index].figures().mse if parts else None,
                weights[index],
                activations[index].result() if histograms else None,
                entry.exempt,
            )
            for index, entry in enumerate(self._entries)
        )
        whole = output.figures()
        sums = Parts(sum(item.figures().mse for item in alone), whole.mse) if parts else None
        return Comparison(
            *self._names, samples, worst_first(tuple(modules)), whole, sums, not_compared(self._match), ()
        )

    def _run(self, row: Row, output: Sums) -> tuple[torch.Tensor, ...]:
        """Run both Programs on a batch, and the second once more on the tensors of the first; the first's outputs."""
        expected = self._alone.run(row)
        self._add(output, expected, outputs_of(self._drifting.run(*row)))
        self._forced.reference = {node: self._alone.value(source) for node, source in self._sources.items()}
        self._forced.run(*row)
        return expected

    def _count(self, rows: Rows, activations: list[HistogramPair]) -> None:
        for row in rows():
            self._alone.run(row)
            self._drifting.run(*row)
            for entry, pair in zip(self._entries, activations, strict=True):
                _, wanted, drifted = self._tensors(entry)
                pair.count(_array(wanted), _array(drifted))

    def _tensors(self, entry: Entry) -> tuple[Place, torch.Tensor, torch.Tensor]:
        """The place in the first Program, and the tensors of both from the last run."""
        first, second = (self._places[side][entry.pair[side].name] for side in (0, 1))
        return first, self._alone.value(first.stored), self._made[second.stored]

    def _weight(self, entry: Entry) -> Histogrammed | None:
        first, second = (self._places[side][entry.head[side].name].weight for side in (0, 1))
        if first is None or second is None:
            return None
        arrays = _array(self._alone.value(first)), _array(self._made[second])
        pair = HistogramPair()
        pair.look(*arrays)
        pair.count(*arrays)
        figures = None
        # Where something was folded into the weight, the two are not the same tensor.
        if entry.head[0].origins == entry.head[1].origins and arrays[0].shape == arrays[1].shape:
            sums = Sums()
            sums.add(*arrays)
            figures = sums.figures()
        return Histogrammed(figures, pair.result())

    def _add(self, sums: Sums, first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> None:
        shapes = [[tuple(item.shape) for item in side] for side in (first, second)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{self._names[0]} gives outputs of shapes {shapes[0]}, {self._names[1]} of {shapes[1]}")
        for wanted, made in zip(first, second, strict=True):
            sums.add(_array(wanted), _array(made))


def _array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().to(torch.float32).numpy()
    return array

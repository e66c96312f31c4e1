"""Two artifacts of which one at least was compiled: what it lets one see is compared, over rows of a sample."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch

from edgewright.compare.artifact import Array, Artifact, Compiled
from edgewright.compare.comparison import Comparison, Module, NotCompared, worst_first
from edgewright.compare.entries import Entry, entries, not_compared
from edgewright.compare.histogram import HistogramPair
from edgewright.compare.interpreters import Alone, Row
from edgewright.compare.match import match
from edgewright.compare.programs import Rows
from edgewright.compare.sums import Sums
from edgewright.compare.values import Value, places, values
from edgewright.errors import InputError
from edgewright.threads import one_thread

_NO_PARTS = "local errors and the sum of the parts are not known: they need two Programs"


class _Side(Protocol):
    values: tuple[Value, ...]

    def run(self, row: Row) -> tuple[tuple[Array, ...], Mapping[str, Array]]:
        """The outputs of a batch and the inner tensors by the names of the values."""
        ...


class _Program:
    def __init__(self, artifact: Artifact) -> None:
        assert isinstance(artifact.content, torch.fx.GraphModule)
        self._places = places(artifact.content)
        self.values = tuple(values(artifact.content, self._places))
        self._runner = Alone(artifact.content)

    def run(self, row: Row) -> tuple[tuple[Array, ...], Mapping[str, Array]]:
        outputs = tuple(item.to(torch.float32).numpy() for item in self._runner.run(row))
        inner = {name: self._runner.value(place.stored) for name, place in self._places.items()}
        return outputs, {name: value.to(torch.float32).numpy() for name, value in inner.items()}


class _Compiled:
    def __init__(self, artifact: Artifact) -> None:
        assert isinstance(artifact.content, Compiled)
        self.values = artifact.content.values
        self._run = artifact.content.run

    def run(self, row: Row) -> tuple[tuple[Array, ...], Mapping[str, Array]]:
        return self._run(tuple(value.numpy() for value in row))


def compare(artifacts: tuple[Artifact, Artifact], rows: Rows, *, histograms: bool = False) -> Comparison:
    """Run both over the same rows and compare outputs, and inner tensors where both let them be seen.

    Args:
        artifacts: the reference and the other.
        rows: gives the inputs, batch by batch, each time it is called.
        histograms: also count activations, in a second pass.

    Raises:
        InputError: the outputs have different shapes.
    """
    with one_thread():
        return _compare(artifacts, rows, histograms)


def _compare(artifacts: tuple[Artifact, Artifact], rows: Rows, histograms: bool) -> Comparison:
    sides = [_side(artifact) for artifact in artifacts]
    names = (artifacts[0].name, artifacts[1].name)
    notes = [note for artifact in artifacts for note in artifact.notes]
    found, missing = _matched(sides, notes)
    drift = [Sums() for _ in found]
    activations = [HistogramPair() for _ in found]
    output, samples = Sums(), 0
    for row in rows():
        (expected, first), (made, second) = (side.run(row) for side in sides)
        _add(names, output, expected, made)
        for entry, sums, pair in zip(found, drift, activations, strict=True):
            arrays = first[entry.pair[0].name], second[entry.pair[1].name]
            sums.add(*arrays)
            pair.look(*arrays)
        samples += len(row[0])
    for row in rows() if histograms and found else ():
        (_, first), (_, second) = (side.run(row) for side in sides)
        for entry, pair in zip(found, activations, strict=True):
            pair.count(first[entry.pair[0].name], second[entry.pair[1].name])
    modules = tuple(
        Module(entry.scope, entry.operator, sums.figures(), None, None, None, pair.result() if histograms else None,
               entry.exempt)
        for entry, sums, pair in zip(found, drift, activations, strict=True)
    )  # fmt: skip
    return Comparison(
        *names, samples, worst_first(modules), output.figures(), None, missing, (*notes, _NO_PARTS)
    )


def _side(artifact: Artifact) -> _Side:
    return _Compiled(artifact) if isinstance(artifact.content, Compiled) else _Program(artifact)


def _matched(sides: list[_Side], notes: list[str]) -> tuple[tuple[Entry, ...], tuple[NotCompared, ...]]:
    """The lines, where inner tensors can be seen and it is known which is which."""
    first, second = (side.values for side in sides)
    if not first or not second:
        return (), ()
    found = match(first, second)
    missing = not_compared(found)
    known = all(any(value.origins for value in side) for side in (first, second))
    if not known and missing:
        notes.append("outputs alone are compared: the graphs differ, and the Program behind the compiled is not here")
        return (), ()
    return entries(found), missing


def _add(names: tuple[str, str], sums: Sums, first: tuple[Array, ...], second: tuple[Array, ...]) -> None:
    # A session gives the first output alone.
    shared = min(len(first), len(second))
    for wanted, made in zip(first[:shared], second[:shared], strict=True):
        if wanted.shape != made.shape:
            raise InputError(f"{names[0]} gives an output of shape {wanted.shape}, {names[1]} of {made.shape}")
        sums.add(wanted, np.asarray(made))

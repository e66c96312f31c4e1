"""A part of a model that is quantized at a time, with the calibration inputs that reach it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from torch import Tensor, nn

from edgewright.aq.statistics import Statistic, Statistics, collect
from edgewright.aq.structure import Structure
from edgewright.models import quantized
from edgewright.models.rotated import seed_of
from edgewright.rounding import Grid, QuantizedWeight


class Run(Protocol):
    """Runs a part of the model on the calibration batch of an index, or on some rows (int64 [n]) of it."""

    def __call__(self, batch: int, rows: Tensor | None = None, /) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Layer:
    """A Linear or Conv2d that is to be quantized.

    Attributes:
        name: its path in the model.
        module: the float module; it stays here when its quantized form takes its place in the model.
        grid: the integers that its weights become.
        clip: whether the range of a group may be narrowed where that lowers the error.
        algorithms: names of the recipe's algorithms that it takes, the rounder last.
    """

    name: str
    module: nn.Module
    grid: Grid
    clip: bool
    algorithms: tuple[str, ...]

    @property
    def weight(self) -> Tensor:
        """The float weight, [out, in] or [out, in / groups, height, width]."""
        return cast(Tensor, self.module.weight).detach()

    @property
    def matrix(self) -> Tensor:
        """The float weight as a matrix [out, columns]; a kernel is flattened."""
        return self.weight.flatten(1)


class Block:
    """Layers, structure and calibration inputs of one part of the model.

    Attributes:
        name: path of the part, '' for the whole model.
        model: the whole model.
        layers: the layers of the part that are quantized, by name, in order of execution.
        structure: pairs and shared inputs that lie wholly in this part.
        batches: number of calibration batches.
        targets: where a rounder asks for `targets` the float model's output of this part, by batch.
        advance: called with the share of the work of a long algorithm that is done, and what it is about.
        changes: how often weights were said to have changed.
    """

    def __init__(
        self, name: str, model: nn.Module, layers: Sequence[Layer], structure: Structure, run: Run, batches: int,
        wanted: frozenset[Statistic], advance: Callable[[float, str], None] = lambda share, what: None,
    ) -> None:  # fmt: skip
        self.name, self.model, self.structure, self.batches = name, model, structure, batches
        self.layers: Mapping[str, Layer] = {layer.name: layer for layer in layers}
        self.targets: Sequence[Tensor] = ()
        self.changes = 0
        self.advance = advance
        self._run, self._wanted = run, wanted
        self._statistics: dict[str, Statistics] | None = None
        self._installed: set[str] = set()

    def run(self, batch: int, rows: Tensor | None = None) -> Tensor:
        """Output of the part for a calibration batch, or for `rows` (int64) of its samples, with its weights now."""
        return self._run(batch) if rows is None else self._run(batch, rows)

    def statistics(self, name: str) -> Statistics:
        """Statistics of a layer's input, with the weights as they were after the last `changed`.

        Raises:
            LayerError: the input of a layer is not finite, or nothing goes through it.
        """
        if self._statistics is None:
            self.collect()
        assert self._statistics is not None
        return self._statistics[name]

    def collect(self, keep: Callable[[Tensor], None] | None = None) -> None:
        """Collect the statistics of the layers that are still float; `keep` takes the part's outputs, in order."""
        floats = {name: layer.module for name, layer in self.layers.items() if name not in self._installed}
        present = (tuple(item for item in names if item in floats) for names in self.structure.shared)
        shared = [names for names in present if len(names) > 1]
        is_traced = set(floats) <= set(self.structure.order)
        repeated = self.structure.repeated
        self._statistics = collect(
            floats, shared, self._wanted, self._run, self.batches, keep, repeated, is_traced=is_traced
        )

    def changed(self) -> None:
        """Say that weights have changed: statistics are collected anew when they are next asked for."""
        self._statistics, self.changes = None, self.changes + 1

    def remove(self, name: str) -> Layer:
        """Take a layer out of what is quantized here."""
        layer = self.layers[name]
        self.layers = {key: value for key, value in self.layers.items() if key != name}
        return layer

    def install(self, name: str, weight: QuantizedWeight) -> quantized.WeightFormat:
        """Put the quantized form of a layer in its place in the model."""
        weight_format = install(self.model, self.layers[name], weight)
        self._installed.add(name)
        return weight_format


def install(model: nn.Module, layer: Layer, weight: QuantizedWeight) -> quantized.WeightFormat:
    """Put the quantized form of a layer in its place in the model."""
    weight_format = quantized.WeightFormat(
        weight.grid, tuple(layer.weight.shape), weight.zero_point.is_floating_point(), rotation=seed_of(layer.module)
    )
    quantized.replace(model, layer.name, weight_format).assign(weight)
    return weight_format

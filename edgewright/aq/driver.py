"""Quantize the weights of a model: the blocks are streamed, and a recipe's algorithms run on each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from edgewright.aq.algorithms import Algorithms
from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import Applied, Rounder, Transform
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.report import LayerReport, QuantizedModel, TransformReport, measure
from edgewright.aq.selection import select
from edgewright.aq.statistics import Statistic
from edgewright.aq.stream import Batch, Stream, find_blocks
from edgewright.aq.structure import Structure, trace
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.errors import InputError
from edgewright.models.load import LoadedModel
from edgewright.models.quantized import WeightFormat
from edgewright.progress import Progress, silent
from edgewright.threads import one_thread

BATCH_SIZE = 16
"""Samples that are run at once. Fixed, because sums depend on it in their last bits."""


def quantize(model: LoadedModel, sample: Sample, recipe: AqRecipe, *, progress: Progress = silent) -> QuantizedModel:
    """Replace the weights of a model by integers, as a recipe says.

    Equal inputs give equal bits for any thread count: all arithmetic runs on one thread.

    Args:
        model: its module is changed in place.
        sample: calibration sample with the inputs of the model.
        recipe: an entry of `aq` in params.yaml; without algorithms it rounds to nearest.
        progress: called with layers done, layers in all, and the path of the layer or block.

    Raises:
        ConfigError: unknown algorithms or options, a pattern that matches no layer.
        InputError: the sample is empty or of other inputs; a layer's weights or inputs are not finite, nothing
            goes through it, or its rows are shorter than its group.
    """
    with one_thread():
        return _Run(model, sample, recipe, progress).quantize()


@dataclass(slots=True)
class _Report:
    formats: dict[str, WeightFormat]
    layers: dict[str, LayerReport]
    applied: dict[str, list[Applied]]


class _Run:
    """One call of `quantize`."""

    def __init__(self, model: LoadedModel, sample: Sample, recipe: AqRecipe, progress: Progress) -> None:
        self.model, self.progress = model.module, progress
        self.layers, self.skipped = select(self.model, recipe)
        self.algorithms = Algorithms(recipe.options)
        self.transforms = {name: self.algorithms.transform(name) for name in _ordered(self.layers, slice(0, -1))}
        self.rounders = {name: self.algorithms.rounder(name) for name in _ordered(self.layers, slice(-1, None))}
        self.algorithms.check_used()
        self.batches = _batches(model, sample)
        self.report = _Report({}, {}, {name: [] for name in self.transforms})

    def quantize(self) -> QuantizedModel:
        structure = self.structure()
        if any(transform.scope == "model" for transform in self.transforms.values()):
            whole = self.block("", self.layers, structure, self.run_model)
            self.transform(whole, "model")
            structure = self.structure()
        blocks = find_blocks(self.model, self.first)
        remaining = list(self.layers)
        run_rest = self.run_model
        if blocks is not None:
            stream = Stream(self.model, blocks, self.batches)
            floats = list(stream.hidden) if self.is_sequential else None
            for index, name in enumerate(blocks.names):
                self.stream_block(stream, index, name, structure, floats)
            inside = tuple(f"{name}." for name in blocks.names)
            remaining = [layer for layer in self.layers if not layer.name.startswith(inside)]
            structure = structure.within(lambda name: not name.startswith(inside))
            run_rest = stream.run_rest
        if remaining:
            block = self.block("", remaining, structure, run_rest)
            if self.is_sequential:
                block.targets = [run_rest(index) for index in range(len(self.batches))]
            self.finish(block)
        transforms = {
            name: TransformReport(
                tuple(layer for item in applied for layer in item.layers),
                tuple(skipped for item in applied for skipped in item.skipped),
            )
            for name, applied in self.report.applied.items()
        }
        rows = tuple(self.report.layers[layer.name] for layer in self.layers)
        return QuantizedModel(self.model, self.report.formats, rows, self.skipped, transforms)

    def stream_block(
        self, stream: Stream, index: int, name: str, structure: Structure, floats: list[Tensor] | None
    ) -> None:
        """Quantize one block and move the stream past it; `floats` is the float model's stream where it is kept too."""
        def run(batch: int) -> Tensor:
            return stream.run(index, batch, stream.hidden[batch])

        layers = [layer for layer in self.layers if layer.name.startswith(f"{name}.")]
        block = self.block(name, layers, structure.within(lambda path: path.startswith(f"{name}.")), run)
        if floats is not None:
            floats[:] = [stream.run(index, batch, hidden) for batch, hidden in enumerate(floats)]
            block.targets = floats
        outputs = self.finish(block, keep=floats is None)
        stream.hidden = outputs if floats is None else [block.run(batch) for batch in range(block.batches)]

    def finish(self, block: Block, keep: bool = False) -> list[Tensor]:
        """Transform and round the layers of a block; if `keep`, its outputs before that."""
        self.progress(len(self.report.layers), len(self.layers), block.name)
        outputs = block.collect(keep)
        baseline = {
            name: float(block.statistics(name).output_error(round_to_nearest(layer).dequantize() - layer.matrix))
            for name, layer in block.layers.items()
        }
        self.transform(block, "block")
        statistics = {name: block.statistics(name) for name in block.layers}
        for rounder_name, rounder in self.rounders.items():
            names = [name for name, layer in block.layers.items() if layer.algorithms[-1] == rounder_name]
            for name, weight in rounder.round(block, names):
                self.report.formats[name] = block.install(name, weight)
                changed_by = [key for key, applied in self.report.applied.items() if name in applied[-1].layers]
                self.report.layers[name] = measure(
                    block.layers[name], weight, statistics[name], baseline[name], (*changed_by, rounder_name)
                )
                self.progress(len(self.report.layers), len(self.layers), name)
        return outputs

    def transform(self, block: Block, scope: str) -> None:
        for name, transform in self.transforms.items():
            if transform.scope == scope:
                names = [layer.name for layer in block.layers.values() if name in layer.algorithms]
                self.report.applied[name].append(transform.apply(block, names) if names else Applied(()))

    def block(self, name: str, layers: Sequence[Layer], structure: Structure, run: Callable[[int], Tensor]) -> Block:
        by_name = {layer.name: layer for layer in layers}
        called = [by_name[item] for item in structure.order if item in by_name]
        never = [layer for layer in layers if layer.name not in structure.order]
        users: list[Transform | Rounder] = [*self.transforms.values(), *self.rounders.values()]
        wanted = frozenset[Statistic]().union(*(user.statistics for user in users))
        return Block(name, self.model, [*called, *never], structure, run, len(self.batches), wanted)

    def structure(self) -> Structure:
        return trace(self.model, lambda: self.model(*self.first))

    @property
    def first(self) -> Batch:
        return tuple(value[:1] for value in self.batches[0])

    @property
    def is_sequential(self) -> bool:
        return any(rounder.quantized_inputs for rounder in self.rounders.values())

    def run_model(self, batch: int) -> Tensor:
        return cast(Tensor, self.model(*self.batches[batch]))


def _ordered(layers: Sequence[Layer], part: slice) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for layer in layers for name in layer.algorithms[part]))


def _batches(model: LoadedModel, sample: Sample) -> list[Batch]:
    if len(sample) == 0:
        raise InputError("the calibration sample is empty")
    parameter = next(model.module.parameters(), None)
    batches = []
    for arrays in sample.batches(BATCH_SIZE):
        tensors = (torch.from_numpy(array) for array in arrays)
        kind = torch.float32 if parameter is None else parameter.dtype
        batches.append(tuple(item.to(kind) if item.is_floating_point() else item for item in tensors))
    return batches

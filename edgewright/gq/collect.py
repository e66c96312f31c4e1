"""Run a program over a sample and show its activations to observers."""

import math
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch.fx import GraphModule, Node

from edgewright.datasets import Samples
from edgewright.datasets.sample import Field
from edgewright.errors import InputError
from edgewright.gq.calibration import Observer
from edgewright.gq.watch import watching
from edgewright.parallel import ordered_map
from edgewright.progress import Progress, silent

Row = tuple[torch.Tensor, ...]


def rows(module: GraphModule, sample: Samples, size: int = 1) -> Iterator[Row]:
    """Inputs of the program, `size` samples at a time, or as many as its fixed batch size wants.

    Calibration takes one at a time, because the last bit of an activation can depend on what else is in its batch.
    The last batch of a fixed size is filled up with its own last sample.

    Raises:
        InputError: the sample is empty, lacks an input of the program, or has another shape.
    """
    if not len(sample):
        raise InputError("calibration: the sample is empty; at least one row is needed")
    places = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(places) != len(sample.fields):
        raise InputError(f"calibration: the program takes {len(places)} inputs, the sample has {len(sample.fields)}")
    # By position: an export renames an input that is called like a Python builtin.
    for node, given in zip(places, sample.fields.values(), strict=True):
        _check(node, given)
    fixed = _fixed(places[0])
    for pieces in sample.batches(batch_size(module, size)):
        missing = (fixed or 0) - len(pieces[0])
        if missing > 0:
            pieces = tuple(np.concatenate([piece, np.repeat(piece[-1:], missing, axis=0)]) for piece in pieces)
        yield tuple(torch.from_numpy(np.ascontiguousarray(piece)) for piece in pieces)


def batch_size(module: GraphModule, size: int) -> int:
    """Samples of a batch of `rows`."""
    return _fixed(next(node for node in module.graph.nodes if node.op == "placeholder")) or size


def observe(
    module: GraphModule,
    observers: Mapping[Node, Collection[Observer]],
    names: Mapping[Node, str],
    sample: Samples,
    progress: Progress = silent,
    averaged: Collection[Node] = (),
) -> dict[Node, torch.Tensor]:
    """Show the values of each tensor to its observers; returns the mean over the sample of each node of `averaged`.

    A mean is float64 [1, ...], the batch dimension averaged; its sum runs in the order of the sample.

    Every row runs alone on one thread of torch, as many rows at once as there are workers: values do not depend on
    the number of threads, and observers do not on the order in which they see them. Memory holds one row's activations
    for each worker, and the observers; it does not grow with the sample.

    Args:
        module: an unlifted Program, float.
        observers: what watches a tensor.
        names: name of each tensor, for messages.
        sample: calibration data.
        progress: called for every row.
        averaged: tensors whose mean is wanted.

    Raises:
        InputError: an activation is NaN or infinite (tensor and row are named), or the sample does not fit.
    """
    wanted = frozenset(averaged)
    watched = tuple(node for node in module.graph.nodes if node in observers or node in wanted)
    run = watching(module, watched)
    locks = [threading.Lock() for _ in watched]

    def show(batch: _Batch, place: int, value: torch.Tensor) -> None:
        node = watched[place]
        samples = batch.samples(value)
        if node in wanted:
            batch.kept[node] = samples
        for index, part in enumerate(samples):
            if not part.numel():
                continue
            values = part.numpy()
            low, high = float(values.min()), float(values.max())
            # A NaN anywhere makes both NaN.
            if not (math.isfinite(low) and math.isfinite(high)):
                raise InputError(
                    f"calibration: '{names[node]}' is NaN or infinite on {batch.place(index, len(samples))} of the "
                    "sample; say float for its module under layers, or repair the model or the data"
                )
            with locks[place]:
                for observer in observers.get(node, ()):
                    observer.observe(values, low, high)

    def row(item: tuple[int, Row]) -> _Batch:
        index, inputs = item
        size = len(inputs[0])
        batch = _Batch(index * size, min(size, len(sample) - index * size), size)
        run(partial(show, batch), *inputs)
        return batch

    sums: dict[Node, torch.Tensor] = {}
    counts = dict.fromkeys(averaged, 0)
    for batch in ordered_map(row, enumerate(rows(module, sample))):
        for node, samples in batch.kept.items():
            for value in samples:
                # Float32 is added as it is: the sum is of float64.
                if node not in sums:
                    sums[node] = torch.zeros_like(value[:1], dtype=torch.float64)
                sums[node] += value if len(value) == 1 else value.to(torch.float64).sum(0, keepdim=True)
                counts[node] += len(value)
        progress(batch.first + batch.real, len(sample), "calibration")
    return {node: total / counts[node] for node, total in sums.items()}


@dataclass(frozen=True, slots=True)
class _Batch:
    """What ran at once: `size` samples from number `first`, of which `real` are none that fill it up."""

    first: int
    real: int
    size: int
    kept: dict[Node, list[torch.Tensor]] = field(default_factory=dict)

    def samples(self, value: torch.Tensor) -> list[torch.Tensor]:
        """`value` in parts, a sample each; whole where its leading dimension does not tell them apart."""
        if self.size == 1 or not value.dim() or len(value) % self.size:
            return [value]
        return list(value.split(max(len(value) // self.size, 1))[: self.real])

    def place(self, index: int, parts: int) -> str:
        """Which rows part number `index` of `parts` stands for."""
        if parts == self.real:
            return f"row {self.first + index}"
        return f"rows {self.first} to {self.first + self.real - 1}"


def _fixed(node: Node) -> int | None:
    size = node.meta["val"].shape[0]
    return size if isinstance(size, int) else None


def _check(node: Node, given: Field) -> None:
    value = node.meta["val"]
    wanted = list(value.shape[1:])
    fits = len(wanted) == len(given.shape) and all(
        not isinstance(size, int) or size == found for size, found in zip(wanted, given.shape, strict=True)
    )
    dtype = str(value.dtype).removeprefix("torch.")
    if not fits or dtype != given.dtype:
        raise InputError(
            f"calibration: input '{node.name}' of the sample is {list(given.shape)} {given.dtype}, the program "
            f"takes {[int(size) if isinstance(size, int) else 'any' for size in wanted]} {dtype}"
        )

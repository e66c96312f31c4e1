"""Run a program over a sample and show its activations to observers."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Interpreter, Node

from edgewright.datasets import Sample
from edgewright.errors import InputError
from edgewright.gq.calibration import CalibrationMethod, Observer
from edgewright.gq.groups import Group
from edgewright.progress import Progress, silent

Row = tuple[torch.Tensor, ...]


def rows(module: GraphModule, sample: Sample, size: int = 1) -> Iterator[Row]:
    """Inputs of the program, `size` samples at a time, or as many as its fixed batch size wants.

    Calibration takes one at a time, because the last bit of an activation can depend on what else is in its batch.
    The last batch of a fixed size is filled up with its own last sample.

    Raises:
        InputError: the sample is empty, lacks an input of the program, or has another shape.
    """
    if not len(sample):
        raise InputError("calibration: the sample is empty; at least one row is needed")
    places = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(places) != len(sample.inputs):
        raise InputError(f"calibration: the program takes {len(places)} inputs, the sample has {len(sample.inputs)}")
    # By position: an export renames an input that is called like a Python builtin.
    arrays = [_array(node, array) for node, array in zip(places, sample.inputs.values(), strict=True)]
    fixed = places[0].meta["val"].shape[0]
    count = fixed if isinstance(fixed, int) else size
    for start in range(0, len(sample), count):
        pieces = [array[start : start + count] for array in arrays]
        missing = count - len(pieces[0])
        if missing and isinstance(fixed, int):
            pieces = [np.concatenate([piece, np.repeat(piece[-1:], missing, axis=0)]) for piece in pieces]
        yield tuple(torch.from_numpy(np.ascontiguousarray(piece)) for piece in pieces)


def observe(
    module: GraphModule,
    groups: Sequence[Group],
    names: Mapping[Node, str],
    method: CalibrationMethod,
    sample: Sample,
    progress: Progress = silent,
    averaged: Collection[Node] = (),
) -> tuple[dict[str, tuple[float, float]], dict[Node, torch.Tensor]]:
    """The range of each group by its name, and the mean over the sample of each node of `averaged`.

    A mean is float64 [1, ...], the batch dimension averaged; its sum runs in the order of the sample.

    Memory holds one sample's activations and the observers; it does not grow with the sample.

    Args:
        module: an unlifted Program, float.
        groups: the tensors to observe.
        names: name of each tensor, for messages.
        method: the calibration method.
        sample: calibration data.
        progress: called for every row of every pass.
        averaged: tensors whose mean is wanted.

    Raises:
        InputError: an activation is NaN or infinite (tensor and row are named), or the sample does not fit.
    """
    observers = {group.name: method.observer() for group in groups}
    watched: dict[Node, list[Observer]] = {}
    for group in groups:
        for source in group.sources:
            watched.setdefault(source, []).append(observers[group.name])
    sums: dict[Node, torch.Tensor] = {}
    counts: dict[Node, int] = {}
    passes = method.passes if groups else 1
    total = passes * len(sample)
    for turn in range(passes):
        runner = _Watching(module, watched, names, turn)
        runner.kept = dict.fromkeys(averaged if turn == 0 else ())
        for index, row in enumerate(rows(module, sample)):
            runner.first, runner.last = index * len(row[0]), min((index + 1) * len(row[0]), len(sample)) - 1
            runner.run(*row)
            real = runner.last + 1 - runner.first
            for node, value in runner.kept.items():
                assert value is not None
                # What fills up a fixed batch does not count.
                counted = value[: max(len(value) * real // len(row[0]), 1)].to(torch.float64)
                added = counted.sum(0, keepdim=True)
                sums[node] = sums[node] + added if node in sums else added
                counts[node] = counts.get(node, 0) + len(counted)
            progress(turn * len(sample) + runner.last + 1, total, f"pass {turn + 1} of {passes}")
    ranges = {group.name: observers[group.name].range(group.grid) for group in groups}
    return ranges, {node: value / counts[node] for node, value in sums.items()}


class _Watching(Interpreter):
    """Runs the graph, frees each value after its last use, and shows the watched ones to their observers."""

    def __init__(
        self, module: GraphModule, watched: Mapping[Node, Sequence[Observer]], names: Mapping[Node, str], turn: int
    ) -> None:
        super().__init__(module)
        self.first, self.last = 0, 0
        self.kept: dict[Node, torch.Tensor | None] = {}
        self._watched = watched
        self._names = names
        self._turn = turn

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        observers = self._watched.get(n)
        if observers is not None:
            values = value.detach().numpy()
            if self._turn == 0 and not _is_finite(values):
                place = f"row {self.first}" if self.first == self.last else f"rows {self.first} to {self.last}"
                raise InputError(
                    f"calibration: '{self._names[n]}' is NaN or infinite on {place} of the sample; "
                    "say float for its module under layers, or repair the model or the data"
                )
            for observer in observers:
                observer.observe(values, self._turn)
        if n in self.kept:
            self.kept[n] = value
        return value


def _is_finite(values: NDArray[np.float32]) -> bool:
    # The extremes tell: a NaN anywhere makes both NaN.
    return not values.size or bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def _array(node: Node, array: NDArray[Any]) -> NDArray[Any]:
    value = node.meta["val"]
    wanted = list(value.shape[1:])
    fits = len(wanted) == array.ndim - 1 and all(
        not isinstance(size, int) or size == given for size, given in zip(wanted, array.shape[1:], strict=True)
    )
    dtype = torch.from_numpy(array[:0].copy()).dtype
    if not fits or dtype != value.dtype:
        raise InputError(
            f"calibration: input '{node.name}' of the sample is {list(array.shape[1:])} {array.dtype}, the program "
            f"takes {[int(size) if isinstance(size, int) else 'any' for size in wanted]} "
            f"{str(value.dtype).removeprefix('torch.')}"
        )
    return array

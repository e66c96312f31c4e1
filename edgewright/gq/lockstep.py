"""The float and the quantized Program side by side, operator by operator, over the whole sample.

What is still to be read waits in files: memory holds the activations of a few batches, however many there are.
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.collect import Row
from edgewright.parallel import ordered_map

_FILE_BYTES = 1 << 10


@dataclass(frozen=True, slots=True)
class Meeting:
    """An operator that both programs have come to; neither its quantized form nor what follows has run yet.

    Attributes:
        node: the operator in the quantized program.
        inputs: what it reads there, by batch: the quantized input.
        outputs: what it gives in the float program, by batch.

    Both can be read until the next meeting.
    """

    node: Node
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


def walk(
    reference: GraphModule, quantized: GraphModule, names: Collection[str], rows: Iterable[Row]
) -> Iterator[Meeting]:
    """Meet at each operator of `names`, in graph order.

    Constants that are written between two meetings count from the operator on. Files hold what is still read of each
    batch: the width of the graph, times the rows, twice. Batches run on all workers, each on one thread.

    Args:
        reference: the unlifted float Program.
        quantized: the same with quantize-dequantize pairs; its operators have kept their names.
        names: operators whose first argument is their input.
        rows: the sample in batches, gone through twice.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-gq-") as name:
        floats, integers = (
            _Side(module, rows, Path(name) / side) for module, side in ((reference, "float"), (quantized, "quantized"))
        )
        for node in integers.nodes:
            if node.name in names:
                outputs = floats.run_through(node.name)
                source = node.args[0]
                assert isinstance(source, Node)
                yield Meeting(node, _Column([values[source] for values in integers.values]), outputs)
            integers.run(node)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A tensor in a file."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self) -> Tensor:
        return torch.from_numpy(np.fromfile(self.path, self.dtype)).reshape(self.shape)


def _written(value: Any, path: Path) -> Any:
    """`value`, in a file where it is a tensor of some size that numpy has a type for."""
    is_small = not isinstance(value, Tensor) or value.numel() * value.element_size() < _FILE_BYTES
    if is_small or value.dtype == torch.bfloat16:
        return value
    array = value.contiguous().numpy()
    array.tofile(path)
    return _Waiting(path, array.dtype, tuple(array.shape))


def _read(value: Any) -> Any:
    return value.read() if isinstance(value, _Waiting) else value


class _Column(Sequence[Tensor]):
    """One tensor, by batch, read when it is asked for."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Tensor]: ...

    def __getitem__(self, index: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(index, slice):
            return _Column(self._values[index])
        found: Tensor = _read(self._values[index])
        return found


class _Side:
    """One program, run node by node over all batches; each value is freed after its last use."""

    def __init__(self, module: GraphModule, rows: Iterable[Row], folder: Path) -> None:
        folder.mkdir()
        self._folder, self._written = folder, 0
        self.module, self.nodes = module, list(module.graph.nodes)
        self._constant: set[Node] = set()
        for node in self.nodes:
            sources = node.all_input_nodes
            if node.op == "get_attr" or (node.op == "call_function" and sources and self._constant.issuperset(sources)):
                self._constant.add(node)
        places = [node for node in self.nodes if node.op == "placeholder"]
        self.values: list[dict[Node, Any]] = [
            {place: self._keep(value) for place, value in zip(places, row, strict=True)} for row in rows
        ]
        last = {source: node for node in self.nodes for source in node.all_input_nodes}
        self._freed: dict[Node, list[Node]] = {}
        for source, node in last.items():
            self._freed.setdefault(node, []).append(source)
        self._waiting = iter(self.nodes)

    def run_through(self, name: str) -> Sequence[Tensor]:
        """Run up to the node `name`, and give what it gives."""
        for node in self._waiting:
            self.run(node)
            if node.name == name:
                return _Column([values[node] for values in self.values])
        raise KeyError(name)

    def run(self, node: Node) -> None:
        """Run one node; what is constant waits until somebody reads it."""
        if node.op == "call_function" and node not in self._constant:
            fixed = {source: self._read(source) for source in node.all_input_nodes if source in self._constant}

            def call(values: dict[Node, Any]) -> Any:
                read = {source: _read(values[source]) for source in node.all_input_nodes if source not in fixed}
                return _call(node, {**read, **fixed})

            for values, result in zip(self.values, ordered_map(call, self.values), strict=True):
                values[node] = self._keep(result)
        for source in self._freed.get(node, ()):
            for values in self.values:
                gone = values.pop(source, None)
                if isinstance(gone, _Waiting):
                    gone.path.unlink()

    def _keep(self, value: Any) -> Any:
        self._written += 1
        return _written(value, self._folder / str(self._written))

    def _read(self, node: Node) -> Any:
        if node.op == "get_attr":
            return ir.tensor_of(self.module, node)
        return _call(node, {source: self._read(source) for source in node.all_input_nodes})


def _call(node: Node, values: dict[Node, Any]) -> Any:
    assert callable(node.target)
    args, kwargs = (torch.fx.map_arg(item, lambda source: values[source]) for item in (node.args, node.kwargs))
    with torch.no_grad():
        return node.target(*args, **kwargs)

"""The float and the quantized Program side by side, operator by operator, over the whole sample."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.collect import Row
from edgewright.parallel import ordered_map


@dataclass(frozen=True, slots=True)
class Meeting:
    """An operator that both programs have come to; neither its quantized form nor what follows has run yet.

    Attributes:
        node: the operator in the quantized program.
        inputs: what it reads there, by batch: the quantized input.
        outputs: what it gives in the float program, by batch.
    """

    node: Node
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


def walk(
    reference: GraphModule, quantized: GraphModule, names: Collection[str], rows: Sequence[Row]
) -> Iterator[Meeting]:
    """Meet at each operator of `names`, in graph order.

    Constants that are written between two meetings count from the operator on. Memory holds what is still read of
    each batch: the width of the graph, times the rows, twice. Batches run on all workers, each on one thread.

    Args:
        reference: the unlifted float Program.
        quantized: the same with quantize-dequantize pairs; its operators have kept their names.
        names: operators whose first argument is their input.
        rows: the sample in batches.
    """
    floats, integers = _Side(reference, rows), _Side(quantized, rows)
    for node in integers.nodes:
        if node.name in names:
            outputs = floats.run_through(node.name)
            source = node.args[0]
            assert isinstance(source, Node)
            yield Meeting(node, [values[source] for values in integers.values], outputs)
        integers.run(node)


class _Side:
    """One program, run node by node over all batches; each value is freed after its last use."""

    def __init__(self, module: GraphModule, rows: Sequence[Row]) -> None:
        self.module, self.nodes = module, list(module.graph.nodes)
        self._constant: set[Node] = set()
        for node in self.nodes:
            sources = node.all_input_nodes
            if node.op == "get_attr" or (node.op == "call_function" and sources and self._constant.issuperset(sources)):
                self._constant.add(node)
        places = [node for node in self.nodes if node.op == "placeholder"]
        self.values: list[dict[Node, Any]] = [dict(zip(places, row, strict=True)) for row in rows]
        last = {source: node for node in self.nodes for source in node.all_input_nodes}
        self._freed: dict[Node, list[Node]] = {}
        for source, node in last.items():
            self._freed.setdefault(node, []).append(source)
        self._waiting = iter(self.nodes)

    def run_through(self, name: str) -> list[Tensor]:
        """Run up to the node `name`, and give what it gives."""
        for node in self._waiting:
            self.run(node)
            if node.name == name:
                return [values[node] for values in self.values]
        raise KeyError(name)

    def run(self, node: Node) -> None:
        """Run one node; what is constant waits until somebody reads it."""
        if node.op == "call_function" and node not in self._constant:
            fixed = {source: self._read(source) for source in node.all_input_nodes if source in self._constant}

            def call(values: dict[Node, Any]) -> Any:
                return _call(node, {**values, **fixed})

            for values, result in zip(self.values, ordered_map(call, self.values), strict=True):
                values[node] = result
        for source in self._freed.get(node, ()):
            for values in self.values:
                values.pop(source, None)

    def _read(self, node: Node) -> Any:
        if node.op == "get_attr":
            return ir.tensor_of(self.module, node)
        return _call(node, {source: self._read(source) for source in node.all_input_nodes})


def _call(node: Node, values: dict[Node, Any]) -> Any:
    assert callable(node.target)
    args, kwargs = (torch.fx.map_arg(item, lambda source: values[source]) for item in (node.args, node.kwargs))
    with torch.no_grad():
        return node.target(*args, **kwargs)

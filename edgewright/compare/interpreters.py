"""Runs of a Program that show its tensors, or that are given some of them."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves

from edgewright.compare.values import Place

Row = tuple[torch.Tensor, ...]
Show = Callable[[Node, Any], None]


class Showing(Interpreter):
    """Runs the graph, shows the values of some nodes as they are made, and frees each after its last use."""

    def __init__(self, module: GraphModule, nodes: Iterable[Node], show: Show) -> None:
        super().__init__(module)
        self._nodes = frozenset(nodes)
        self._show = show

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n in self._nodes:
            self._show(n, value)
        return value


class TeacherForced(Showing):
    """Runs the graph so that each operator reads the reference's tensors in place of those made here.

    What a node makes of its own inputs is still shown: the error of that operator alone, with the rounding of what it
    stores.
    """

    def __init__(self, module: GraphModule, places: Sequence[Place], show: Show) -> None:
        super().__init__(module, (place.stored for place in places), show)
        self.reference: Mapping[Node, torch.Tensor] = {}
        self._sources = {node: place.node for place in places for node in place.given}
        self._pairs = {(place.node, place.quantize) for place in places}

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        return map_arg(args, lambda node: self._given(node, n))

    def _given(self, node: Node, user: Node) -> Any:
        source = self._sources.get(node)
        if source is None or user.op == "output" or (node, user) in self._pairs:
            return self.env[node]
        return self.reference[source].to(self.env[node].dtype)


class Alone:
    """Runs a Program once, and then again and again with one of its tensors replaced.

    Holds the tensors of one batch; only what depends on the replaced one is computed anew.
    """

    def __init__(self, module: GraphModule) -> None:
        self._base = Interpreter(module, garbage_collect_values=False)
        self._replay = Interpreter(module, garbage_collect_values=False)
        self._nodes = list(module.graph.nodes)
        self._dependents: dict[Node, list[Node]] = {}

    def run(self, row: Row) -> tuple[torch.Tensor, ...]:
        """The outputs for one batch, which the calls of `replaced` then go on from."""
        return outputs_of(self._base.run(*row))

    def value(self, node: Node) -> torch.Tensor:
        """What a node gave in the last run."""
        value: torch.Tensor = self._base.env[node]
        return value

    def replaced(self, place: Place, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs of the last run with `value` where `place` hands its tensor to its users."""
        changed: dict[Node, Any] = {node: value.to(self._base.env[node].dtype) for node in place.given}
        self._replay.env = ChainMap(changed, self._base.env)
        result: Any = None
        for node in self._after(place):
            result = changed[node] = self._replay.run_node(node)
        return outputs_of(result)

    def _after(self, place: Place) -> list[Node]:
        if place.node not in self._dependents:
            reached = set(place.given)
            found = []
            for node in self._nodes:
                if node in reached or node is place.quantize:
                    continue
                if node.op == "output" or not reached.isdisjoint(node.all_input_nodes):
                    reached.add(node)
                    found.append(node)
            self._dependents[place.node] = found
        return self._dependents[place.node]


def outputs_of(result: Any) -> tuple[torch.Tensor, ...]:
    """The float tensors that a Program returns."""
    tensors = (item for item in tree_leaves(result) if isinstance(item, torch.Tensor))
    return tuple(tensor for tensor in tensors if tensor.dtype.is_floating_point)

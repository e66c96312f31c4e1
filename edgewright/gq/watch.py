"""A program that shows its activations as it runs."""

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

Show = Callable[[int, torch.Tensor], None]
"""Called with the index of a watched node and its value."""


def watching(module: GraphModule, nodes: Collection[Node]) -> Callable[..., None]:
    """`module` as a function of a `Show` and its inputs; each of `nodes` is shown in the order of the graph.

    It is compiled code, because an interpreter spends as long on a small operator as the operator itself. Each value
    is freed after its last use. Several threads may run it at once.
    """
    index = {node: place for place, node in enumerate(nodes)}
    graph = Graph()
    show = graph.placeholder("show")
    copies: dict[Node, Node] = {}
    for node in module.graph.nodes:
        if node.op == "output":
            continue
        copies[node] = graph.node_copy(node, copies.__getitem__)
        if node in index:
            graph.call_function(_call, (show, index[node], copies[node]))
    graph.output(None)
    compiled = GraphModule(module, graph)
    forward: Callable[..., None] = compiled.forward
    return forward


def _call(show: Show, *arguments: Any) -> None:
    show(*arguments)

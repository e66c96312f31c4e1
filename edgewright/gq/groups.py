"""Tensors that share quantization parameters, solved over the whole graph."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.errors import ConfigError
from edgewright.gq.annotate import Annotation, Quantized
from edgewright.gq.parameters import ActivationGrid


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors with the same parameters; most groups hold one.

    Attributes:
        name: name of its first tensor.
        members: the nodes whose values are quantized, in graph order.
        sources: those of them that bring new values: the others move or compare values of these.
        grid: the integers.
    """

    name: str
    members: tuple[Node, ...]
    sources: tuple[Node, ...]
    grid: ActivationGrid


def name_tensors(module: GraphModule) -> dict[Node, str]:
    """A readable name of every float tensor: `input:x`, `stage1.relu1:relu`; `#2` marks the second of its kind."""
    names: dict[Node, str] = {}
    seen: Counter[str] = Counter()
    for node in module.graph.nodes:
        if node.op == "placeholder":
            names[node] = f"input:{node.name}"
        elif node.op == "get_attr":
            names[node] = f"constant:{node.target}"
        elif node.op == "call_function":
            base = f"{ir.scope(node)}:{ir.operator_name(node.target)}"
            seen[base] += 1
            names[node] = base if seen[base] == 1 else f"{base}#{seen[base]}"
    return names


def solve(annotation: Annotation, names: Mapping[Node, str]) -> tuple[Group, ...]:
    """The groups of all statically quantized tensors, in graph order.

    Raises:
        ConfigError: tensors that must share parameters are asked for on different grids; two are named.
    """
    plans = [plan for plan in annotation.quantized if plan.is_static]
    leader: dict[Node, Node] = {}
    grids: dict[Node, ActivationGrid] = {}
    for plan in plans:
        assert plan.scheme.activations is not None
        grid = ActivationGrid.of(plan.scheme.activations)
        for tensor in _tensors(plan):
            leader.setdefault(tensor, tensor)
            if grids.setdefault(tensor, grid) != grid:
                _conflict(names[tensor], grids[tensor], names[plan.node], grid)
    for plan in plans:
        if plan.shares:
            for _, source in plan.edges:
                leader[_find(leader, source)] = _find(leader, plan.tail)
    moved = {plan.tail for plan in plans if plan.shares}
    together: dict[Node, list[Node]] = {}
    for tensor in (node for node in names if node in leader):
        together.setdefault(_find(leader, tensor), []).append(tensor)
    return tuple(_group(members, moved, grids, names) for members in together.values())


def parameters_by_tensor(groups: Iterable[Group]) -> dict[Node, Group]:
    """The group of each tensor."""
    return {member: group for group in groups for member in group.members}


def _group(
    members: list[Node], moved: set[Node], grids: Mapping[Node, ActivationGrid], names: Mapping[Node, str]
) -> Group:
    first = members[0]
    for other in members:
        if grids[other] != grids[first]:
            _conflict(names[first], grids[first], names[other], grids[other])
    sources = tuple(member for member in members if member not in moved)
    return Group(names[first], tuple(members), sources, grids[first])


def _tensors(plan: Quantized) -> tuple[Node, ...]:
    return (*(source for _, source in plan.edges), plan.tail)


def _find(leader: Mapping[Node, Node], node: Node) -> Node:
    while leader[node] is not node:
        node = leader[node]
    return node


def _conflict(first: str, grid: ActivationGrid, second: str, other: ActivationGrid) -> None:
    raise ConfigError(
        f"'{first}' ({_words(grid)}) and '{second}' ({_words(other)}) share quantization parameters on this target; "
        "give both the same activations"
    )


def _words(grid: ActivationGrid) -> str:
    return f"{'symmetric ' if grid.symmetric else ''}{grid.bits}-bit"

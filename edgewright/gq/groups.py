"""Tensors that share quantization parameters, solved over the whole graph."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch.fx import Node

from edgewright.gq.annotate import Annotation, Quantized
from edgewright.gq.parameters import ActivationGrid


@dataclass(frozen=True, slots=True)
class QuantizedTensor:
    """A tensor on a grid; where precisions meet, one tensor is on two.

    Attributes:
        node: its float value.
        grid: the integers.
    """

    node: Node
    grid: ActivationGrid


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors with the same parameters; most groups hold one.

    Attributes:
        name: name of its first tensor; with ` as GRID` where that tensor has another grid too, and this one is not
            the grid of the operator that makes it.
        members: the nodes whose values are quantized, in graph order.
        sources: those of them that bring new values: the others move or compare values of these.
        grid: the integers.
    """

    name: str
    members: tuple[Node, ...]
    sources: tuple[Node, ...]
    grid: ActivationGrid


def solve(annotation: Annotation, names: Mapping[Node, str]) -> tuple[Group, ...]:
    """The groups of all statically quantized tensors, in graph order."""
    leader: dict[QuantizedTensor, QuantizedTensor] = {}
    moved: set[QuantizedTensor] = set()
    made: dict[Node, ActivationGrid] = {}
    for plan in annotation.quantized:
        if not plan.is_static:
            continue
        grid = grid_of(plan)
        inputs = [QuantizedTensor(source, grid) for _, source in plan.edges]
        output = QuantizedTensor(plan.tail, grid)
        made[plan.tail] = grid
        for tensor in (*inputs, output):
            leader.setdefault(tensor, tensor)
        if plan.shares:
            moved.add(output)
            for source in inputs:
                leader[_find(leader, source)] = _find(leader, output)
    for tensor in leader:
        made.setdefault(tensor.node, tensor.grid)
    order = {node: index for index, node in enumerate(names)}
    together: dict[QuantizedTensor, list[QuantizedTensor]] = {}
    for tensor in sorted(leader, key=lambda item: (order[item.node], item.grid != made[item.node], str(item.grid))):
        together.setdefault(_find(leader, tensor), []).append(tensor)
    return tuple(_group(members, moved, made, names) for members in together.values())


def grid_of(plan: Quantized) -> ActivationGrid:
    """The grid of the activations that an operator reads and writes."""
    assert plan.scheme.activations is not None
    return ActivationGrid.of(plan.scheme.activations)


def parameters_by_tensor(groups: Iterable[Group]) -> dict[QuantizedTensor, Group]:
    """The group of each tensor."""
    return {QuantizedTensor(member, group.grid): group for group in groups for member in group.members}


def _group(
    members: Sequence[QuantizedTensor],
    moved: Collection[QuantizedTensor],
    made: Mapping[Node, ActivationGrid],
    names: Mapping[Node, str],
) -> Group:
    first = members[0]
    name = names[first.node] if made[first.node] == first.grid else f"{names[first.node]} as {first.grid}"
    nodes = tuple(member.node for member in members)
    return Group(name, nodes, tuple(member.node for member in members if member not in moved), first.grid)


def _find(leader: Mapping[QuantizedTensor, QuantizedTensor], tensor: QuantizedTensor) -> QuantizedTensor:
    while leader[tensor] != tensor:
        tensor = leader[tensor]
    return tensor

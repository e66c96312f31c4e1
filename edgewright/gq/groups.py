"""Tensors that share quantization parameters, solved over the whole graph."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.annotate import Annotation
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
    """The groups of all statically quantized tensors, in graph order."""
    leader: dict[Node, Node] = {}
    moved: set[Node] = set()
    grid: ActivationGrid | None = None
    for plan in annotation.quantized:
        if not plan.is_static:
            continue
        assert plan.scheme.activations is not None
        grid = ActivationGrid.of(plan.scheme.activations)
        sources = [source for _, source in plan.edges]
        for tensor in (*sources, plan.tail):
            leader.setdefault(tensor, tensor)
        if plan.shares:
            moved.add(plan.tail)
            for source in sources:
                leader[_find(leader, source)] = _find(leader, plan.tail)
    if grid is None:
        return ()
    together: dict[Node, list[Node]] = {}
    for tensor in (node for node in names if node in leader):
        together.setdefault(_find(leader, tensor), []).append(tensor)
    return tuple(
        Group(names[members[0]], tuple(members), tuple(item for item in members if item not in moved), grid)
        for members in together.values()
    )


def parameters_by_tensor(groups: Iterable[Group]) -> dict[Node, Group]:
    """The group of each tensor."""
    return {member: group for group in groups for member in group.members}


def _find(leader: Mapping[Node, Node], node: Node) -> Node:
    while leader[node] is not node:
        node = leader[node]
    return node

"""Operators whose precision is one choice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch.fx import Node

from edgewright import ir
from edgewright.gq.annotate import Quantized
from edgewright.gq.integers import owner_of
from edgewright.gq.operators import is_linear, takes_weight

_SUMS = frozenset({"add", "sub", "cat"})


@dataclass(frozen=True, slots=True)
class Unit:
    """Operators that move together.

    Attributes:
        names: what `layers` calls them and what runs inside their kernels: the module that owns the weight, or the
            operator (`stage1:add`).
        operators: they themselves, in the order of the program.
    """

    names: tuple[str, ...]
    operators: tuple[Node, ...]

    @property
    def name(self) -> str:
        """The first of its names, and how many follow."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} and {len(self.names) - 1} more"


def units(plans: Iterable[Mapping[Node, Quantized]], names: Mapping[Node, str]) -> tuple[Unit, ...]:
    """The units of a program, in its order.

    Together go: linear operators that read the same tensor (query, key and value; gate and up); a sum or
    concatenation and the operators whose results nothing but it reads (the end of a residual branch); operators that
    read one weight; and an operator that only moves data with what makes its data.

    Args:
        plans: for each candidate the operators that it quantizes.
        names: name of each tensor, in the order of the program.
    """
    leader: dict[Node, Node] = {}
    inside: dict[Node, tuple[Node, ...]] = {}
    readers: dict[tuple[str, object], list[Node]] = {}
    for found in plans:
        made = {plan.tail: node for node, plan in found.items()}
        for node, plan in found.items():
            leader.setdefault(node, node)
            inside[node] = tuple(dict.fromkeys((*inside.get(node, ()), *plan.inside)))
            is_weighted = takes_weight(ir.operator_name(node.target))
            owner = owner_of(node)
            if is_weighted and owner is not None:
                readers.setdefault(("weight", owner), []).append(node)
            for _, source in plan.edges:
                if is_linear(ir.operator_name(node.target)):
                    readers.setdefault(("input", source), []).append(node)
                only = ir.operator_name(node.target) in _SUMS and len(source.users) == 1
                if source in made and (only or plan.shares):
                    _join(leader, [node, made[source]])
    for together in readers.values():
        _join(leader, together)
    gathered: dict[Node, list[Node]] = {}
    for node in names:
        if node in leader:
            gathered.setdefault(_first(leader, node), []).append(node)
    return tuple(
        Unit(tuple(dict.fromkeys(_name(part, names) for node in operators for part in (node, *inside[node]))),
             tuple(operators))
        for operators in gathered.values()
    )


def layers(chosen: Iterable[tuple[Unit, str]]) -> dict[str, str]:
    """`layers` of a scheme that gives each unit its precision: what contains others comes before them."""
    found = {name: precision for unit, precision in chosen for name in unit.names}
    return dict(sorted(found.items(), key=lambda item: (item[0].count("."), ":" in item[0])))


def _name(node: Node, names: Mapping[Node, str]) -> str:
    return (owner_of(node) if takes_weight(ir.operator_name(node.target)) else None) or names[node]


def _join(leader: dict[Node, Node], nodes: Sequence[Node]) -> None:
    for node in nodes:
        leader.setdefault(node, node)
    for one, other in pairwise(nodes):
        leader[_first(leader, one)] = _first(leader, other)


def _first(leader: Mapping[Node, Node], node: Node) -> Node:
    while leader[node] is not node:
        node = leader[node]
    return node

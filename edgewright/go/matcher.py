"""Match patterns backward from their roots over a graph."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch.fx import GraphModule, Node

from edgewright.go.match import Match, schema_arguments
from edgewright.go.pattern import COMMUTATIVE, AnyOf, Pattern, aten, targets_of

_State = tuple[Mapping[str, Any], Mapping[Node, Node]]


def find(pattern: Pattern, module: GraphModule, anchor: Node, constants: frozenset[str]) -> Match | None:
    """The first match of `pattern` that ends in `anchor`, or None.

    Commutative operators are tried both ways; a parameter that occurs twice must bind the same node or literal.
    """
    for bindings, nodes in _node(pattern.root, anchor, ({}, {})):
        return Match(module, anchor, tuple(sorted(set(nodes.values()))), bindings, constants)
    return None


def _node(pattern: Node, node: Node, state: _State) -> Iterator[_State]:
    bindings, nodes = state
    if pattern in nodes:
        if nodes[pattern] is node:
            yield state
        return
    if node.op != "call_function" or node.target not in targets_of(pattern) or node in nodes.values():
        return
    target = node.target if isinstance(pattern.target, AnyOf) else pattern.target
    wanted = schema_arguments(target, pattern.args, pattern.kwargs)
    given = schema_arguments(node.target, node.args, node.kwargs)
    if len(wanted) != len(given):
        return
    for order in _orders(node.target, wanted, given):
        for found, matched in _all(wanted, order, (bindings, nodes)):
            yield found, {**matched, pattern: node}


def _orders(target: Any, wanted: tuple[Any, ...], given: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield given
    if target in COMMUTATIVE and not (target is aten.add.Tensor and given[2] != 1) and given[0] is not given[1]:
        yield (given[1], given[0], *given[2:])


def _all(wanted: Any, given: Any, state: _State) -> Iterator[_State]:
    if not wanted:
        yield state
        return
    for extended in _value(wanted[0], given[0], state):
        yield from _all(wanted[1:], given[1:], extended)


def _value(wanted: Any, given: Any, state: _State) -> Iterator[_State]:
    if isinstance(wanted, Node) and wanted.op == "placeholder":
        bindings, nodes = state
        name = str(wanted.target)
        if name not in bindings:
            yield {**bindings, name: given}, nodes
        elif _equal(bindings[name], given):
            yield state
    elif isinstance(wanted, Node):
        if isinstance(given, Node):
            yield from _node(wanted, given, state)
    elif isinstance(wanted, list | tuple):
        if isinstance(given, list | tuple) and len(wanted) == len(given):
            yield from _all(tuple(wanted), tuple(given), state)
    elif _equal(wanted, given):
        yield state


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, Node) or isinstance(second, Node):
        if isinstance(first, Node) and isinstance(second, Node):
            return first is second or (first.op == second.op == "get_attr" and first.target == second.target)
        return False
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)

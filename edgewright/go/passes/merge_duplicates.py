"""Common subexpressions: equal operators on equal arguments become one node in the smallest scope that holds both."""

from hashlib import sha256
from typing import Any

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.firing import Firing
from edgewright.go.match import bits, is_constant
from edgewright.go.passes.purity import is_pure
from edgewright.go.rule import Class

_NAME = "merge-duplicates"


def run(work: Rewriting) -> int:
    """Merge duplicates; returns their number. Quantization operators stay one per user."""
    known: dict[Any, Node] = {}
    outputs = set(work.module.graph.output_node().all_input_nodes)
    merged = 0
    for node in list(work.module.graph.nodes):
        key = _key(work.module, node)
        if key is None:
            continue
        first = known.setdefault(key, node)
        if first is node or node in outputs:
            continue
        if node.op == "call_function":
            ir.adopt(first, [first, node], _NAME)
            witness = None
            if work.witness is not None:
                work.witness.run((first, node))
                witness = work.witness.compare(Class.EXACT, 0.0, node, first)
            work.firings.append(Firing(_NAME, "exact", node.name, ir.scope(first), f"equal to {first.name}", witness))
            merged += 1
        node.replace_all_uses_with(first, propagate_meta=False)
        work.remove(node)
    return merged


def _key(module: GraphModule, node: Node) -> Any:
    if is_constant(node) and node.meta.get("custom", {}).get("rules"):
        # Only constants that rules made: the program's own keep their names, equal or not.
        value = ir.tensor_of(module, node)
        return (value.dtype, tuple(value.shape), sha256(bits(value)).hexdigest())
    if node.op == "get_attr":
        return ("get_attr", node.target)
    if node.op == "call_function" and is_pure(node):
        return (node.target, _frozen(node.args), _frozen(node.kwargs))
    return None


def _frozen(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return tuple((key, _frozen(value[key])) for key in sorted(value))
    return (type(value).__name__, repr(value)) if isinstance(value, bool | int | float) else value

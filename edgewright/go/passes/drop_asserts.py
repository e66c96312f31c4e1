"""Remove run-time checks: the export has made them, and no runtime of a device does."""

from torch._ops import OpOverload
from torch.fx import Node

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.firing import Firing

_NAME = "drop-asserts"
_PREFIXES = ("aten::_assert", "aten::sym_constrain_range", "aten::_functional_assert",
             "aten::_functional_sym_constrain")


def run(work: Rewriting) -> None:
    """Erase assertions and the symbolic arithmetic that only they read."""
    for node in reversed(list(work.module.graph.nodes)):
        if node.users or node.op != "call_function":
            continue
        if _is_assert(node):
            work.firings.append(Firing(_NAME, "exact", node.name, ir.scope(node), "checked by the export", None))
            work.remove(node)
        elif not node.is_impure():
            work.remove(node)


def _is_assert(node: Node) -> bool:
    return isinstance(node.target, OpOverload) and node.target._schema.name.startswith(_PREFIXES)

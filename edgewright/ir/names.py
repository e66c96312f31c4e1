"""Readable names of tensors and of the operators that make them."""

from collections import Counter

from torch.fx import GraphModule, Node

from edgewright.ir.describe import operator_name
from edgewright.ir.scope import scope


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
            base = f"{scope(node)}:{operator_name(node.target)}"
            seen[base] += 1
            names[node] = base if seen[base] == 1 else f"{base}#{seen[base]}"
    return names

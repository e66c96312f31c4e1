"""Inline regions that only switch gradients or autocast off: the body is the same function in inference."""

import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.go.engine import Rewriting
from edgewright.go.firing import Firing

_NAME = "inline-regions"


def run(work: Rewriting) -> None:
    """Replace each `wrap_with_set_grad_enabled`, and each `wrap_with_autocast` that turns it off, by its body."""
    for node in list(work.module.graph.nodes):
        body = _body(work.module, node)
        if body is not None:
            _inline(work, node, *body)


def _body(module: GraphModule, node: Node) -> tuple[GraphModule, tuple[Node, ...]] | None:
    name = getattr(node.target, "__name__", str(node.target)) if node.op == "call_function" else ""
    if name == "wrap_with_set_grad_enabled":
        function, operands = node.args[1], node.args[2:]
    elif name == "wrap_with_autocast" and node.args[2] is False:
        function, operands = node.args[4], node.args[5:]
    else:
        return None
    submodule = module.get_submodule(str(function.target)) if isinstance(function, Node) else None
    if not isinstance(submodule, GraphModule):
        return None
    return submodule, tuple(operand for operand in operands if isinstance(operand, Node))


def _inline(work: Rewriting, node: Node, body: GraphModule, operands: tuple[Node, ...]) -> None:
    graph = work.module.graph
    inputs = [inner for inner in body.graph.nodes if inner.op == "placeholder"]
    known: dict[Node, Node] = dict(zip(inputs, operands, strict=True))
    with graph.inserting_before(node):
        for inner in body.graph.nodes:
            if inner.op in ("call_function", "get_attr"):
                known[inner] = graph.node_copy(inner, known.__getitem__)
                known[inner].meta = dict(inner.meta)
                if not inner.meta.get("nn_module_stack"):
                    ir.adopt(known[inner], [node], _NAME)
    results = body.graph.output_node().args[0]
    assert isinstance(results, tuple | list)
    for user in list(node.users):
        result = results[int(user.args[1])]  # type: ignore[arg-type]
        assert isinstance(result, Node)
        user.replace_all_uses_with(known[result], propagate_meta=False)
        graph.erase_node(user)
    function = next(operand for operand in node.args if isinstance(operand, Node) and operand.op == "get_attr"
                    and not isinstance(operand.meta.get("val"), torch.Tensor))
    graph.erase_node(node)
    if not function.users:
        graph.erase_node(function)
    work.firings.append(Firing(_NAME, "exact", node.name, ir.scope(node), "a region that no runtime knows", None))

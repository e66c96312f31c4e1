"""Inline regions that only switch gradients or autocast: the body is the same function in inference."""

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright.ir.edit import relift, unlift
from edgewright.ir.scope import adopt


def inline_regions(program: ExportedProgram) -> ExportedProgram:
    """`program` with the bodies of its regions in their place; the same object where there are none.

    A region is a `wrap_with_set_grad_enabled`, or a `wrap_with_autocast` that turns autocast off.
    """
    if not any(_is_region(node) for node in program.graph.nodes):
        return program
    module = unlift(program)
    _inline_all(module)
    return relift(module, program)


def _is_region(node: Node) -> bool:
    name = getattr(node.target, "__name__", "") if node.op == "call_function" else ""
    return name == "wrap_with_set_grad_enabled" or (name == "wrap_with_autocast" and node.args[2] is False)


def _inline_all(module: GraphModule) -> None:
    for node in list(module.graph.nodes):
        if _is_region(node):
            function, *operands = [value for value in node.args if isinstance(value, Node)]
            body = module.get_submodule(str(function.target))
            assert isinstance(body, GraphModule)
            _inline_all(body)
            _inline(node, body, operands)
            if not function.users:
                module.graph.erase_node(function)


def _inline(node: Node, body: GraphModule, operands: list[Node]) -> None:
    graph = node.graph
    inputs = [inner for inner in body.graph.nodes if inner.op == "placeholder"]
    known: dict[Node, Node] = dict(zip(inputs, operands, strict=True))
    with graph.inserting_before(node):
        for inner in body.graph.nodes:
            if inner.op == "call_function":
                known[inner] = graph.node_copy(inner, known.__getitem__)
                if not inner.meta.get("nn_module_stack"):
                    adopt(known[inner], [node])
    results = body.graph.output_node().args[0]
    assert isinstance(results, tuple | list)
    for user in list(node.users):
        result = results[int(user.args[1])]  # type: ignore[arg-type]
        assert isinstance(result, Node)
        user.replace_all_uses_with(known[result], propagate_meta=False)
        graph.erase_node(user)
    graph.erase_node(node)

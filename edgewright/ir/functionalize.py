"""Replace operators that write to their inputs, `relu_` or `x += 1`, by those that do not."""

import operator

import torch
from torch.export import ExportedProgram
from torch.fx import Node

_NORMALIZED = torch.ops.aten._native_batch_norm_legit_no_training.default


def functionalize(program: ExportedProgram) -> ExportedProgram:
    """`program` without operators that write to their inputs; the same object where there are none."""
    if not any(_writes(node) for node in program.graph.nodes):
        return program
    functional = program.run_decompositions({})
    for node in list(functional.graph.nodes):
        if node.target is _NORMALIZED:
            _restore_batch_norm(node)
    functional.graph.eliminate_dead_code()
    functional.graph_module.recompile()
    return functional


def _writes(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _restore_batch_norm(node: Node) -> None:
    """Functionalizing splits batch normalization even when it is told to keep all operators; put it back."""
    source, weight, bias, mean, variance, momentum, epsilon = node.args
    for user in [user for user in node.users if user.target is operator.getitem and user.args[1] == 0]:
        with node.graph.inserting_before(node):
            whole = node.graph.call_function(
                torch.ops.aten.batch_norm.default,
                (source, weight, bias, mean, variance, False, momentum, epsilon, False),
            )
        whole.meta = dict(user.meta) | {"nn_module_stack": node.meta["nn_module_stack"]}
        user.replace_all_uses_with(whole)

"""The invariants of a Program, checked at each load and after each stage."""

import operator
from collections.abc import Iterator

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols
from torch.utils._pytree import tree_leaves

from edgewright.errors import InputError
from edgewright.ir.operators import NAMESPACES
from edgewright.ir.scope import scope

_SHAPE_ARITHMETIC = (operator.getitem, operator.add, operator.sub, operator.mul, operator.floordiv)


def verify(program: ExportedProgram) -> None:
    """Check that `program` is functional, of known operators, and that every node has a scope.

    Sizes of tensors are fixed but for the batch: they may depend on nothing that is only known when it runs.

    Raises:
        InputError: naming the first operator that breaks an invariant, its module, and all further ones by count.
    """
    broken = list(_broken(program))
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise InputError(f"program: {broken[0]}{more}")


def _broken(program: ExportedProgram) -> Iterator[str]:
    signature = program.graph_signature
    for name in (*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()):
        yield f"'{name}' is written to by the forward pass; keep state out of the exported module"
    for node in program.graph.nodes:
        if node.op == "call_function":
            yield from _broken_node(node)
        elif node.op not in ("placeholder", "output", "get_attr"):
            yield f"node {node.name} of kind {node.op} in module '{scope(node)}' is not functional"


def _broken_node(node: Node) -> Iterator[str]:
    where = f"operator {node.target} in module '{scope(node)}'"
    if isinstance(node.target, torch._ops.OpOverload):
        if node.target.namespace not in NAMESPACES:
            yield f"{where} is not one of {', '.join(sorted(NAMESPACES))}"
        if node.target._schema.is_mutable:
            yield f"{where} writes to its input"
    elif node.target not in _SHAPE_ARITHMETIC and not _is_symbolic(node):
        yield f"{where} is not an ATen or quantization operator"
    if any(isinstance(value, torch.Tensor) and free_unbacked_symbols(value)
           for value in tree_leaves(node.meta.get("val"))):
        yield f"{where} gives a tensor whose size depends on the data; a device needs fixed sizes"
    if not node.meta.get("nn_module_stack"):
        yield f"node {node.name} ({node.target}) has no module scope"
    if "stack_trace" in node.meta:
        yield f"node {node.name} carries a stack trace; save it through ir.canonicalize"


def _is_symbolic(node: Node) -> bool:
    return isinstance(node.meta.get("val"), torch.SymInt | torch.SymBool | torch.SymFloat | int | bool | float)

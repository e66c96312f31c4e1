"""Half precision: what stays float computes in float16 (IEEE 754 binary16), the borders in float32."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_arg

from edgewright import ir
from edgewright.errors import InputError
from edgewright.gq.annotate import Annotation
from edgewright.gq.collect import Row
from edgewright.gq.operators import takes_weight, weight_of
from edgewright.ir.nodes import is_float, is_operator, is_quantization

LARGEST = torch.finfo(torch.float16).max
"""65504, the largest finite half."""

_DEQUANTIZE = ("dequantize_per_tensor", "dequantize_per_channel", "dequantize_affine")
_WAY_OUT = "; keep dtype: float32"


def operators(module: GraphModule, annotation: Annotation) -> tuple[Node, ...]:
    """The operators that stay float and give a float tensor: those that compute in half, in graph order.

    What runs inside an integer kernel, and what brings it its weight, is none of them.
    """
    kept = {node for plan in annotation.quantized for node in (plan.node, plan.tail, *plan.inside)}
    for plan in annotation.quantized:
        weight = weight_of(plan.node) if takes_weight(ir.operator_name(plan.node.target)) else None
        while weight is not None and weight.op == "call_function":
            kept.add(weight)
            weight = weight.all_input_nodes[0]
    return tuple(
        node for node in module.graph.nodes
        if is_operator(node) and is_float(node) and not is_quantization(node) and node not in kept
    )  # fmt: skip


def check(module: GraphModule, chosen: Collection[Node], names: Mapping[Node, str], rows: Iterable[Row]) -> None:
    """Refuse a program whose constants or activations half precision cannot hold.

    Args:
        module: an unlifted Program in float32.
        chosen: the operators that are to compute in half.
        names: name of each tensor, for messages.
        rows: inputs; every tensor that a chosen operator reads or gives is looked at.

    Raises:
        InputError: a finite value beyond 65504; the tensor is named.
    """
    watched = {item for node in chosen for item in (node, *node.all_input_nodes) if is_float(item)}
    for node in module.graph.nodes:
        if node in watched and node.op == "get_attr":
            largest = _largest(ir.tensor_of(module, node))
            if largest > LARGEST:
                raise InputError(f"gq: '{node.target}' holds {largest:g}, beyond the {LARGEST:g} of float16{_WAY_OUT}")
    runner = _Watching(module, {node for node in watched if node.op != "get_attr"}, names)
    for index, row in enumerate(rows):
        runner.row = index
        runner.run(*row)


def convert(module: GraphModule, chosen: Collection[Node]) -> None:
    """Let the chosen operators compute in half, in place.

    Their constants are cast once, tensors at the border by an operator; each tensor once, whoever reads it.
    """
    half = set(chosen)
    cast: dict[tuple[Node, torch.dtype], Node] = {}

    def at(node: Node, dtype: torch.dtype, user: Node) -> Node:
        if not _gives_float(node) or (node in half) == (dtype == torch.float16):
            return node
        if (node, dtype) not in cast:
            cast[node, dtype] = _cast(module, node, dtype, user)
        return cast[node, dtype]

    for node in list(module.graph.nodes):
        if node in half:
            node.args = map_arg(node.args, lambda item, user=node: at(item, torch.float16, user))
            node.kwargs = map_arg(node.kwargs, lambda item, user=node: at(item, torch.float16, user))
            node.args = tuple(_as_half(item) for item in node.args)
            node.kwargs = {key: _as_half(item) for key, item in node.kwargs.items()}
        elif node.op in ("call_function", "output"):
            node.args = map_arg(node.args, lambda item, user=node: at(item, torch.float32, user))
            node.kwargs = map_arg(node.kwargs, lambda item, user=node: at(item, torch.float32, user))


def _cast(module: GraphModule, node: Node, dtype: torch.dtype, user: Node) -> Node:
    if node.op == "get_attr":
        # The cast of a constant may be read by operators before `user`.
        return ir.constant(module, ir.tensor_of(module, node).to(dtype), str(node.target), node)
    with module.graph.inserting_after(node):
        made = module.graph.call_function(torch.ops.aten.to.dtype, (node, dtype))
    ir.adopt(made, [node if node.op == "call_function" or user.op == "output" else user])
    return made


def _gives_float(node: Node) -> bool:
    """Whether `node` gives a float tensor; the quantizer's own nodes have no value yet."""
    return is_float(node) or (is_quantization(node) and ir.operator_name(node.target) in _DEQUANTIZE)


def _as_half(value: Any) -> Any:
    return torch.float16 if value is torch.float32 else value


def _largest(value: torch.Tensor) -> float:
    finite = value[torch.isfinite(value)]
    return float(finite.abs().max()) if finite.numel() else 0.0


class _Watching(Interpreter):
    """Runs the graph in float32 and refuses values that half precision cannot hold."""

    def __init__(self, module: GraphModule, watched: Collection[Node], names: Mapping[Node, str]) -> None:
        super().__init__(module)
        # An error of ours is one line.
        self.extra_traceback = False
        self.row = 0
        self._watched = watched
        self._names = names

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n in self._watched and (largest := _largest(value)) > LARGEST:
            raise InputError(
                f"gq: '{self._names[n]}' reaches {largest:g} on batch {self.row} of the calibration sample, beyond the "
                f"{LARGEST:g} of float16{_WAY_OUT}"
            )
        return value

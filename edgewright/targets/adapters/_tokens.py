"""Linear operators whose weight alone is integers for the kernel, or whose activations are quantized per token."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets.adapters._program import is_wide, name_of

_NIBBLE, _BYTE = 4, 8
_AFFINE = ("dequantize_affine", "dequantize_per_channel", "dequantize_per_tensor")


@dataclass(frozen=True, slots=True)
class IntegerLinear:
    """A linear operator whose weight is integers and whose activations are float here, or quantized per token.

    Attributes:
        node: the operator.
        source: the float tensor that it reads, [..., columns].
        bias: float [rows] or None.
        integers: int8 [rows, columns].
        scale: float32 [rows, groups]; one group where a row shares its scale.
        zero_point: int32 [rows, groups].
        bits: width that holds the grid, 4 or 8.
        group: columns that share a scale.
        symmetric: of the activations, where they are dynamic: their zero points are 0.
        is_dynamic: parameters of the activations are chosen at run time.
    """

    node: Node
    source: Node
    bias: Node | None
    integers: Tensor
    scale: Tensor
    zero_point: Tensor
    bits: int
    group: int
    symmetric: bool
    is_dynamic: bool


def find(module: GraphModule) -> list[IntegerLinear]:
    """The linear operators with weights of up to 8 bits and without 8-bit static activations, in graph order."""
    found = []
    for node in module.graph.nodes:
        if name_of(node) != "linear":
            continue
        source, weight = cast(Node, node.args[0]), cast(Node, node.args[1])
        if name_of(weight) not in _AFFINE or cast(Node, weight.args[0]).meta["val"].dtype != torch.int8:
            continue
        if name_of(source) == "dequantize_per_tensor" and not is_wide(node):
            continue
        bias = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
        is_dynamic, symmetric = name_of(source) == "dequantize_affine", False
        if is_dynamic:
            quantize = cast(Node, source.args[0])
            chosen = cast(Node, cast(Node, source.args[2]).args[0])
            source, symmetric = cast(Node, quantize.args[0]), chosen.args[1] == "SYMMETRIC"
        integers, scale, zero_point, qmax = _weight(module, weight)
        bits, group = _NIBBLE if qmax < 1 << (_NIBBLE - 1) else _BYTE, integers.shape[1] // scale.shape[1]
        bias = bias if isinstance(bias, Node) else None
        parts = (node, source, bias, integers, scale, zero_point, bits, group, symmetric, is_dynamic)
        found.append(IntegerLinear(*parts))
    return found


def _weight(module: GraphModule, node: Node) -> tuple[Tensor, Tensor, Tensor, int]:
    """Integers, scales and zero points by row and group, and the upper end of the grid."""
    values = ir.tensor_of(module, cast(Node, node.args[0]))
    arguments = cast(tuple[Any, ...], node.args)
    rows = values.shape[0]
    if name_of(node) == "dequantize_per_tensor":
        scale, zero_point = (torch.full((rows, 1), arguments[index]) for index in (1, 2))
        qmax = arguments[4]
    elif name_of(node) == "dequantize_per_channel":
        scale, zero_point = (ir.tensor_of(module, arguments[index]).reshape(rows, 1) for index in (1, 2))
        qmax = arguments[5]
    else:
        scale, zero_point = (ir.tensor_of(module, arguments[index]).reshape(rows, -1) for index in (2, 3))
        qmax = arguments[6]
    return values, scale.to(torch.float32), zero_point.to(torch.int32), int(qmax)


def replace(module: GraphModule, linear: IntegerLinear, function: Any, arguments: tuple[Any, ...]) -> None:
    """Put a call of a Python function, whose operators the export traces, in the place of a linear operator."""
    with module.graph.inserting_before(linear.node):
        result = module.graph.call_function(function, arguments)
    ir.adopt(result, [linear.node])
    linear.node.replace_all_uses_with(result)
    module.graph.erase_node(linear.node)

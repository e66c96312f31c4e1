"""What quantization needs to know of an operator beyond the capability map."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.ir.nodes import is_float, is_operator

__all__ = [
    "activations_of", "bias_of", "channel_axis", "is_float", "is_linear", "is_operator", "is_zero_padding_of_plane",
    "takes_weight", "weight_of",
]
_PLANE = 2
_BIAS = 2
_LINEAR = "linear"
_CHANNEL_AXIS = {
    _LINEAR: 0, "conv1d": 0, "conv2d": 0, "conv3d": 0,
    "conv_transpose1d": 1, "conv_transpose2d": 1, "conv_transpose3d": 1,
}  # fmt: skip
_OPERANDS = frozenset({"add", "sub", "mul", "div", "matmul", "bmm", "cat", "maximum", "minimum"})
_GROUPS_ARGUMENT = {"conv_transpose1d": 6, "conv_transpose2d": 6, "conv_transpose3d": 6}


def takes_weight(op: str) -> bool:
    """Whether the second argument of the operator is a weight, and its third a bias."""
    return op in _CHANNEL_AXIS


def is_linear(op: str) -> bool:
    """Whether the operator multiplies the last dimension by a matrix: its weight may lie in groups."""
    return op == _LINEAR


def channel_axis(node: Node) -> int | None:
    """Axis of the output channels in the weight of an operator that takes one; None where no axis is that."""
    op = ir.operator_name(node.target)
    index = _GROUPS_ARGUMENT.get(op)
    if index is not None and len(node.args) > index and node.args[index] != 1:
        return None
    return _CHANNEL_AXIS[op]


def weight_of(node: Node) -> Node | None:
    """The node of the weight of an operator that takes one."""
    weight = node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
    return weight if isinstance(weight, Node) else None


def bias_of(node: Node) -> Node | None:
    """The node of the bias of an operator that takes a weight, or None."""
    bias = node.args[_BIAS] if len(node.args) > _BIAS else node.kwargs.get("bias")
    return bias if isinstance(bias, Node) else None


def activations_of(module: GraphModule, node: Node) -> tuple[Node, ...]:
    """The inputs of `node` that are quantized with its kernel: float tensors that are no weight or bias.

    A constant counts where it is an operand like any other (of a sum, a product, a concatenation) and finite.
    """
    op = ir.operator_name(node.target)
    apart = (weight_of(node), bias_of(node)) if takes_weight(op) else ()
    found = []
    for source in node.all_input_nodes:
        if source in apart or not is_float(source):
            continue
        if source.op == "get_attr" and not (op in _OPERANDS and _is_finite(module, source)):
            continue
        found.append(source)
    return tuple(found)


def is_zero_padding_of_plane(node: Node) -> bool:
    """Whether a padding operator adds zeros to the last two dimensions alone: what a convolution can do itself."""
    arguments = list(node.args[1:])
    widths = cast(Sequence[Any], arguments[0])
    rest = [*arguments[1:], *node.kwargs.values()]
    return len(widths) <= 2 * _PLANE and all(value in ("constant", None, 0) for value in rest)


def _is_finite(module: GraphModule, node: Node) -> bool:
    return bool(torch.isfinite(ir.tensor_of(module, node)).all())

"""Linear operators on int8 weights and activations per token, spelled with ONNX's MatMulInteger.

The arithmetic is the Program's: scale and zero point of a token from its extremes, integers multiplied and summed in
int32, and the zero point's share, the sum of each row of the weight, taken off (Jacob et al. 2018, arXiv:1712.05877,
equation 7). ONNX's own DynamicQuantizeLinear knows one scale for all tokens.
"""

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from edgewright import ir
from edgewright.targets.adapters import _tokens
from edgewright.targets.adapters._tokens import IntegerLinear

_LOW, _HIGH = -128, 127
_SHIFT = 128
_PACKED_BITS = 4


def takes(linear: IntegerLinear) -> bool:
    """Whether the weight is of 8 bits, symmetric, with a scale a row; narrower ones are smaller when packed."""
    return linear.bits > _PACKED_BITS and linear.scale.shape[1] == 1 and not bool(linear.zero_point.any())


def rewrite(module: GraphModule, linear: IntegerLinear) -> None:
    """Replace a linear operator with symmetric weights per row and dynamic activations."""
    name = str(linear.node.name)
    hints = {
        "weight": linear.integers.t(),
        "scale": linear.scale.reshape(-1),
        "sums": linear.integers.to(torch.int32).sum(1).to(torch.float32),
    }
    weight = [ir.constant(module, value, f"{name}_{key}", linear.node) for key, value in hints.items()]
    _tokens.replace(module, linear, integer_linear, (linear.source, *weight, linear.bias, linear.symmetric))


def integer_linear(
    x: Tensor, weight: Tensor, scale: Tensor, sums: Tensor, bias: Tensor | None, symmetric: bool
) -> Tensor:
    """The operator in a graph that is exported to ONNX; the product of integers computes nothing in torch.

    Args:
        x: float [..., columns].
        weight: int8 [columns, rows].
        scale: float [rows].
        sums: float [rows], the sum of each row of integers.
        bias: float [rows] or None.
        symmetric: the zero point of a token is 0.
    """
    lowest, highest = x.amin(-1, keepdim=True).clamp(max=0.0), x.amax(-1, keepdim=True).clamp(min=0.0)
    smallest = torch.finfo(torch.float32).smallest_normal
    if symmetric:
        step = (torch.maximum(-lowest, highest) / ((_HIGH - _LOW) / 2)).clamp(min=smallest)
        zero_point = torch.zeros_like(step)
    else:
        step = ((highest - lowest) / float(_HIGH - _LOW)).clamp(min=smallest)
        zero_point = (_LOW - torch.round(lowest / step)).clamp(_LOW, _HIGH)
    integers = (torch.round(x * (1.0 / step)) + zero_point).clamp(_LOW, _HIGH)
    # Unsigned, because the kernels multiply uint8 by int8.
    unsigned = (integers + _SHIFT).to(torch.uint8)
    attributes: dict[str, Any] = {}
    product = torch.onnx.ops.symbolic(
        "MatMulInteger", [unsigned, weight], attributes, dtype=torch.int32, shape=[*x.shape[:-1], weight.shape[1]]
    )
    result = (product.to(torch.float32) - (zero_point + _SHIFT) * sums) * step * scale
    return result if bias is None else result + bias

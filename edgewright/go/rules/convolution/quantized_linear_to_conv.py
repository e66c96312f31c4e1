"""A linear layer with integer weights as a 1x1 convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.convolution._pixels import convolve
from edgewright.go.target import Target, prefers
from edgewright.ir import register

register()
_dequantize = torch.ops.torchao.dequantize_affine.default


class _Linear(nn.Module):
    def __init__(self, inputs: int, outputs: int, group: int) -> None:
        super().__init__()
        self.group = group
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randint(-8, 8, (outputs, inputs), generator=generator, dtype=torch.int8))
        self.register_buffer("scale", torch.rand(outputs, inputs // group, generator=generator) / 8)
        self.register_buffer("zero_point", torch.zeros(outputs, inputs // group, dtype=torch.int8))
        self.bias = nn.Parameter(torch.rand(outputs, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = _dequantize(self.weight, [1, self.group], self.scale, self.zero_point, torch.int8, -8, 7,
                             output_dtype=x.dtype)
        return nn.functional.linear(x, weight, self.bias)


class QuantizedLinearToConv(Rule):
    """s (q - z) x + b = a 1x1 convolution of x as one pixel with s (q - z) as its kernel: q, s and z keep their values.

    In float32 alone, because torchao dequantizes to no wider type.
    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "infinity", "nan")
    in_float64 = False

    def pattern(self, x: Any, integers: Constant, block: Any, scale: Any, zero_point: Any, dtype: Any, low: Any,
                high: Any, output_dtype: Any, bias: Any) -> Any:
        weight = _dequantize(integers, block, scale, zero_point, dtype, low, high, output_dtype=output_dtype)
        return aten.linear.default(x, weight, bias)

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"shape": list(match.output.shape), "kernel_block": [*match["block"], 1, 1]}

    def replacement(self, x: Any, integers: Any, kernel_block: Any, scale: Any, zero_point: Any, dtype: Any, low: Any,
                    high: Any, output_dtype: Any, bias: Any, shape: Any) -> Any:
        weight = _dequantize(integers[:, :, None, None], kernel_block, scale, zero_point, dtype, low, high,
                             output_dtype=output_dtype)
        return convolve(x, integers.shape[1], weight, bias, shape)

    def targets(self, target: Target) -> str | None:
        return prefers(target, "linear", "conv2d")

    def examples(self) -> Sequence[Example]:
        return (Example(_Linear(8, 3, 4), (torch.randn(2, 8),)), Example(_Linear(8, 3, 8), (torch.randn(2, 5, 8),)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(nn.Linear(5, 3), (torch.randn(2, 5),)),)

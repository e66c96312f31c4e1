"""A linear layer as a 1x1 convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.convolution._pixels import convolve
from edgewright.go.target import Target, prefers


class _Product(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, x[0])


class LinearToConv(Rule):
    """W x + b = a 1x1 convolution of x as one pixel with W as its kernel.

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, weight: Constant, bias: Any) -> Any:
        return aten.linear.default(x, weight, bias)

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"shape": list(match.output.shape)}

    def replacement(self, x: Any, weight: Any, bias: Any, shape: Any) -> Any:
        return convolve(x, weight.shape[1], weight[:, :, None, None], bias, shape)

    def targets(self, target: Target) -> str | None:
        return prefers(target, "linear", "conv2d")

    def examples(self) -> Sequence[Example]:
        return (Example(nn.Linear(5, 3), (torch.randn(2, 5),)),
                Example(nn.Linear(5, 3, bias=False), (torch.randn(2, 4, 5),)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Product(), (torch.randn(2, 3, 5),), "not a constant"),)

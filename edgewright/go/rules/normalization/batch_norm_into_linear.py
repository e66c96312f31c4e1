"""Batch normalization behind a linear layer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.normalization._batch_norm import affine, channels, plus, warmed


class BatchNormIntoLinear(Rule):
    """s (W x + b) + t = (s W) x + (s b + t), with s and t the scale and shift of the normalization.

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.FOLDED
    ulps = 256.0
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, weight: Constant, bias: Constant, gamma: Constant, beta: Constant, mean: Constant,
                var: Constant, momentum: Any, eps: Any, cudnn: Any) -> Any:
        y = aten.linear.default(x, weight, bias)
        return aten.batch_norm.default(y, gamma, beta, mean, var, False, momentum, eps, cudnn)

    def when(self, match: Match) -> str | None:
        return None if len(match.output.shape) == 2 else "normalizes another dimension than the linear layer's"

    def replacement(self, x: Any, weight: Any, bias: Any, gamma: Any, beta: Any, mean: Any, var: Any,
                    eps: Any) -> Any:
        scale, shift = affine(gamma, beta, mean, var, eps)
        return aten.linear.default(x, weight * channels(scale, 2), plus(None if bias is None else bias * scale, shift))

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 5)
        return (Example(warmed(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, eps=1e-3))), (x,)),
                Example(warmed(nn.Sequential(nn.Linear(5, 3, bias=False), nn.BatchNorm1d(3, affine=False))), (x,)))

    def negatives(self) -> Sequence[Negative]:
        wide = warmed(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)))
        return (Negative(wide, (torch.randn(2, 3, 5),), "another dimension"),)

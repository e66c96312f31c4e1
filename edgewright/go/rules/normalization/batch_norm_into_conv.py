"""Batch normalization behind a convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.normalization._batch_norm import affine, channels, plus, warmed


class _Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return y + self.norm(y)


class BatchNormIntoConv(Rule):
    """s (W * x + b) + t = (s W) * x + (s b + t), with s and t the scale and shift of the normalization.

    Padding is in front of both sides and does not matter.
    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.FOLDED
    ulps = 256.0
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, weight: Constant, bias: Constant, stride: Any, padding: Any, dilation: Any, groups: Any,
                gamma: Constant, beta: Constant, mean: Constant, var: Constant, momentum: Any, eps: Any,
                cudnn: Any) -> Any:
        y = AnyOf(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.conv1d.padding,
                  aten.conv2d.padding, aten.conv3d.padding)(x, weight, bias, stride, padding, dilation, groups)
        return aten.batch_norm.default(y, gamma, beta, mean, var, False, momentum, eps, cudnn)

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"convolution": match.nodes[0].target}

    def replacement(self, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any,
                    gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, convolution: Any) -> Any:
        scale, shift = affine(gamma, beta, mean, var, eps)
        folded = weight * channels(scale, weight.dim())
        return convolution(x, folded, plus(None if bias is None else bias * scale, shift), stride, padding, dilation,
                           groups)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 4, 7, 7)
        return (
            Example(warmed(nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))), (x,)),
            Example(warmed(nn.Sequential(nn.Conv2d(4, 8, 3, 2, groups=4), nn.BatchNorm2d(8, affine=False))), (x,)),
            Example(warmed(nn.Sequential(nn.Conv2d(4, 6, 3, padding="same"), nn.BatchNorm2d(6))), (x,)),
            Example(warmed(nn.Sequential(nn.Conv1d(4, 6, 3, dilation=2), nn.BatchNorm1d(6))), (x[..., 0],)),
        )

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 7, 7)
        training = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
        return (Negative(warmed(_Branch()), (x,), "has another user", harmless=True), Negative(training, (x,)))

"""Batch normalization behind a transposed convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.normalization._batch_norm import affine, plus, warmed


class BatchNormIntoTransposedConv(Rule):
    """s (W^T * x + b) + t = (s W)^T * x + (s b + t), with s and t the scale and shift of the normalization.

    The weight is [in, out / groups, ...], so s goes along its second dimension.
    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.FOLDED
    ulps = 256.0
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, weight: Constant, bias: Constant, stride: Any, padding: Any, output_padding: Any,
                groups: Any, dilation: Any, gamma: Constant, beta: Constant, mean: Constant, var: Constant,
                momentum: Any, eps: Any, cudnn: Any) -> Any:
        y = AnyOf(aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input)(
            x, weight, bias, stride, padding, output_padding, groups, dilation)
        return aten.batch_norm.default(y, gamma, beta, mean, var, False, momentum, eps, cudnn)

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"convolution": match.nodes[0].target}

    def replacement(self, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any,
                    dilation: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, convolution: Any) -> Any:
        scale, shift = affine(gamma, beta, mean, var, eps)
        kernel = [1] * (weight.dim() - 2)
        grouped = weight.reshape(groups, -1, *weight.shape[1:]) * scale.reshape(groups, 1, -1, *kernel)
        return convolution(x, grouped.reshape(weight.shape), plus(None if bias is None else bias * scale, shift),
                           stride, padding, output_padding, groups, dilation)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 4, 5, 5)
        return (
            Example(warmed(nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2), nn.BatchNorm2d(6))), (x,)),
            Example(warmed(nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False), nn.BatchNorm2d(6))), (x,)),
        )

    def negatives(self) -> Sequence[Negative]:
        relu = nn.Sequential(nn.ConvTranspose2d(4, 6, 3), nn.ReLU(), nn.BatchNorm2d(6))
        return (Negative(warmed(relu), (torch.randn(2, 4, 5, 5),)),)

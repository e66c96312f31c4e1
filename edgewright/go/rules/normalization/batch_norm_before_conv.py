"""Batch normalization in front of a convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.normalization._batch_norm import affine, plus, warmed


class BatchNormBeforeConv(Rule):
    """W * (s x + t) + b = (W s) * x + (W t summed + b) without padding: a padded zero is not shifted by t.

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.FOLDED
    ulps = 256.0
    specials = ("zero", "denormal", "half", "infinity", "nan")
    after = ("batch-norm-into-conv", "batch-norm-into-linear", "batch-norm-into-transposed-conv")

    def pattern(self, x: Any, weight: Constant, bias: Constant, stride: Any, padding: Any, dilation: Any, groups: Any,
                gamma: Constant, beta: Constant, mean: Constant, var: Constant, momentum: Any, eps: Any,
                cudnn: Any) -> Any:
        y = aten.batch_norm.default(x, gamma, beta, mean, var, False, momentum, eps, cudnn)
        return AnyOf(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, aten.conv1d.padding,
                     aten.conv2d.padding, aten.conv3d.padding)(y, weight, bias, stride, padding, dilation, groups)

    def when(self, match: Match) -> str | None:
        padding = match["padding"]
        padded = padding != "valid" if isinstance(padding, str) else any(padding)
        return "the convolution pads with zeros that the normalization would shift" if padded else None

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"convolution": match.root.target}

    def replacement(self, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any,
                    gamma: Any, beta: Any, mean: Any, var: Any, eps: Any, convolution: Any) -> Any:
        scale, shift = affine(gamma, beta, mean, var, eps)
        kernel = [1] * (weight.dim() - 2)
        grouped = weight.reshape(groups, -1, *weight.shape[1:])
        folded = (grouped * scale.reshape(groups, 1, -1, *kernel)).reshape(weight.shape)
        moved = (grouped * shift.reshape(groups, 1, -1, *kernel)).reshape(weight.shape).flatten(1).sum(1)
        return convolution(x, folded, plus(bias, moved), stride, padding, dilation, groups)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 4, 7, 7)
        return (Example(warmed(nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3))), (x,)),
                Example(warmed(nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, groups=2, bias=False))), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 4, 7, 7)
        padded = warmed(nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, padding=1)))
        same = warmed(nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, padding="same")))
        return (Negative(padded, (x,), "pads with zeros"), Negative(same, (x,), "pads with zeros"))

"""LayerNorm for a target without a kernel for it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, lacks


class LayerNormDecompose(Rule):
    """layer_norm(x, w, b, eps) = w d rsqrt(mean(d^2) + eps) + b with d = x - mean(x) (Ba et al. 2016, eq. 4).

    Finite input whose square does not overflow: the kernel computes the variance in another way.
    """

    kind = Class.DECOMPOSITION
    ulps = 256.0
    specials = ("zero", "denormal", "half", "nan")

    def pattern(self, x: Any, shape: Any, weight: Any, bias: Any, eps: Any, cudnn: Any) -> Any:
        return aten.layer_norm.default(x, shape, weight, bias, eps, cudnn)

    def replacement(self, x: Any, shape: Any, weight: Any, bias: Any, eps: Any) -> Any:
        dims = [-1 - index for index in reversed(range(len(shape)))]
        centered = aten.sub.Tensor(x, aten.mean.dim(x, dims, True))
        variance = aten.mean.dim(aten.mul.Tensor(centered, centered), dims, True)
        result = aten.mul.Tensor(centered, aten.rsqrt.default(aten.add.Tensor(variance, eps)))
        if weight is not None:
            result = aten.mul.Tensor(result, weight)
        return result if bias is None else aten.add.Tensor(result, bias)

    def targets(self, target: Target) -> str | None:
        return lacks(target, "layer_norm")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 8)
        return (Example(nn.LayerNorm(8), (x,)), Example(nn.LayerNorm((3, 8), elementwise_affine=False), (x,)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(nn.RMSNorm(8), (torch.randn(2, 3, 8),)),)

"""RMSNorm for a target without a kernel for it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, lacks


class RmsNormDecompose(Rule):
    """rms_norm(x, w, eps) = w x rsqrt(mean(x^2) + eps) (Zhang and Sennrich 2019, eq. 4).

    Without eps it is the spacing of floats at 1, as `torch.nn.functional.rms_norm` has it.
    """

    kind = Class.DECOMPOSITION

    def pattern(self, x: Any, shape: Any, weight: Any, eps: Any) -> Any:
        return aten.rms_norm.default(x, shape, weight, eps)

    def replacement(self, x: Any, shape: Any, weight: Any, eps: Any) -> Any:
        dims = [-1 - index for index in reversed(range(len(shape)))]
        mean = aten.mean.dim(aten.pow.Tensor_Scalar(x, 2), dims, True)
        scale = aten.rsqrt.default(aten.add.Tensor(mean, torch.finfo(x.dtype).eps if eps is None else eps))
        normalized = aten.mul.Tensor(x, scale)
        return normalized if weight is None else aten.mul.Tensor(normalized, weight)

    def targets(self, target: Target) -> str | None:
        return lacks(target, "rms_norm")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 8)
        return (Example(nn.RMSNorm(8, eps=1e-5), (x,)), Example(nn.RMSNorm((3, 8), elementwise_affine=False), (x,)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(nn.LayerNorm(8), (torch.randn(2, 3, 8),)),)

"""Batch normalization for a target without a kernel for it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule
from edgewright.go.rules.normalization._batch_norm import affine, channels, warmed
from edgewright.go.target import Target, lacks


class BatchNormDecompose(Rule):
    """batch_norm(x) = s x + t, with s and t the scale and shift of the normalization.

    Values near the largest float are left out: s x can overflow where s (x - mean) does not.
    """

    kind = Class.FOLDED
    specials = ("zero", "denormal", "half", "infinity", "nan")
    after = ("batch-norm-before-conv",)

    def pattern(self, x: Any, gamma: Constant, beta: Constant, mean: Constant, var: Constant, momentum: Any, eps: Any,
                cudnn: Any) -> Any:
        return aten.batch_norm.default(x, gamma, beta, mean, var, False, momentum, eps, cudnn)

    def replacement(self, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: Any) -> Any:
        scale, shift = affine(gamma, beta, mean, var, eps)
        rank = x.ndim - 1
        return aten.add.Tensor(aten.mul.Tensor(x, channels(scale, rank)), channels(shift, rank))

    def targets(self, target: Target) -> str | None:
        return lacks(target, "batch_norm")

    def examples(self) -> Sequence[Example]:
        return (Example(warmed(nn.Sequential(nn.BatchNorm2d(3))), (torch.randn(2, 3, 5, 5),)),
                Example(warmed(nn.Sequential(nn.BatchNorm1d(3))), (torch.randn(2, 3),)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(nn.BatchNorm1d(3, track_running_stats=False), (torch.randn(4, 3),)),)

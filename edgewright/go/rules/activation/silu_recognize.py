"""SiLU from its spelling."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, has_kernel


class _Swish(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x) * x


class _QuickGelu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class SiluRecognize(Rule):
    """x sigmoid(x) = silu(x) (Hendrycks and Gimpel 2016)."""

    kind = Class.REAL_EXACT

    def pattern(self, x: Any) -> Any:
        return aten.mul.Tensor(x, aten.sigmoid.default(x))

    def replacement(self, x: Any) -> Any:
        return aten.silu.default(x)

    def targets(self, target: Target) -> str | None:
        return has_kernel(target, "silu")

    def examples(self) -> Sequence[Example]:
        return (Example(_Swish(), (torch.randn(2, 3),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_QuickGelu(), (torch.randn(2, 3),)),)

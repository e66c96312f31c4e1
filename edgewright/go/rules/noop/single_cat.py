"""Concatenation of one tensor."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Cat(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.relu()] * self.count, 1) + 1


class SingleCat(Rule):
    """cat([x], d) = x."""

    kind = Class.EXACT

    def pattern(self, x: Any, dim: Any) -> Any:
        return aten.cat.default([x], dim)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        return (Example(_Cat(1), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Cat(2), (torch.randn(2, 3, 4),)),)

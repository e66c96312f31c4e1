"""Expansion to the shape that is there."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Expand(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().expand(self.shape) + 1


class SameExpand(Rule):
    """expand(x, shape of x) = x."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, shape: Any) -> Any:
        return aten.expand.default(x, shape)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        return (Example(_Expand(-1, 3, 4), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Expand(-1, 3, 4), (torch.randn(2, 3, 1),), "shape"),)

"""Reshape to the shape that is there."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import RESHAPE, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Reshape(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().reshape(x.shape[0], *self.shape) + 1


class SameReshape(Rule):
    """reshape(x, shape of x) = x."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, shape: Any) -> Any:
        return RESHAPE(x, shape)

    def pattern_flatten(self, x: Any, start: Any, end: Any) -> Any:
        return aten.flatten.using_ints(x, start, end)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_flatten)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return (Example(_Reshape(3, 4), (x,)), Example(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.ReLU()), (x[0],)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Reshape(4, 3), (torch.randn(2, 3, 4),), "shape"),)

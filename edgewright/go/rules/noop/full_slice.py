"""Slice of everything."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Slice(nn.Module):
    def __init__(self, start: int | None, end: int | None, step: int = 1) -> None:
        super().__init__()
        self.slice = slice(start, end, step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()[:, self.slice] + 1


class _Part(nn.Module):
    def __init__(self, start: int, step: int) -> None:
        super().__init__()
        self.start, self.step = start, step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part: torch.Tensor = aten.slice.Tensor(x, 1, self.start, None, self.step)
        return part + 1


class FullSlice(Rule):
    """x[..., 0:n:1, ...] = x where n is at least the size of the dimension."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, dim: Any, start: Any, end: Any) -> Any:
        return aten.slice.Tensor(x, dim, start, end, 1)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return (Example(_Slice(None, None), (x,)), Example(_Slice(-3, 7), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 4)
        return (Negative(_Part(1, 1), (x,), "shape"), Negative(_Part(0, 2), (x,)))

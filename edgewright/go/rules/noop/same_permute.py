"""Permutation that keeps the order."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match, dimension
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Permute(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().permute(self.order).sum(-1)


class _Transpose(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().transpose(1, -2) + 1


class SamePermute(Rule):
    """permute(x, [0, 1, ..., n - 1]) = x, and transpose(x, d, d) = x."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, order: Any) -> Any:
        return aten.permute.default(x, order)

    def pattern_transpose(self, x: Any, first: Any, second: Any) -> Any:
        return aten.transpose.int(x, first, second)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_transpose)

    def replacement(self, x: Any) -> Any:
        return x

    def when(self, match: Match) -> str | None:
        rank = len(match.shape("x"))
        if "order" in match.bindings:
            keeps = [dimension(index, rank) for index in match["order"]] == list(range(rank))
        else:
            keeps = dimension(match["first"], rank) == dimension(match["second"], rank)
        return None if keeps else "the order changes"

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return (Example(_Permute(0, -2, 2), (x,)), Example(_Transpose(), (x,)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Permute(0, 2, 1), (torch.randn(2, 3, 3),), "the order changes"),)

"""The mean over the plane as a pooling operator."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match, dimension
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, prefers


class _Mean(nn.Module):
    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(self.dims, keepdim=True)


class MeanToGlobalPool(Rule):
    """mean of x over height and width, dimensions kept = adaptive_avg_pool(x, 1).

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.REAL_EXACT
    quiet = True
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, dims: Any) -> Any:
        return aten.mean.dim(x, dims, True)

    def when(self, match: Match) -> str | None:
        rank = len(match.shape("x"))
        plane = rank == 4 and sorted(dimension(index, rank) for index in match["dims"] or ()) == [2, 3]
        return None if plane else "not the mean over height and width"

    def replacement(self, x: Any) -> Any:
        return aten.adaptive_avg_pool2d.default(x, [1, 1])

    def targets(self, target: Target) -> str | None:
        return prefers(target, "global_pool", "adaptive_avg_pool2d")

    def examples(self) -> Sequence[Example]:
        return (Example(_Mean(2, 3), (torch.randn(2, 3, 5, 5),)), Example(_Mean(-1, -2), (torch.randn(2, 3, 4, 6),)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Mean(1, 2), (torch.randn(2, 3, 5, 5),), "height and width", harmless=True),)

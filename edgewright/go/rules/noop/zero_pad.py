"""Padding by nothing."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Pad(nn.Module):
    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.widths = widths

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x.relu(), self.widths) + 1


class ZeroPad(Rule):
    """pad(x, [0, ..., 0]) = x."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, widths: Any, mode: Any, value: Any) -> Any:
        return aten.pad.default(x, widths, mode, value)

    def pattern_constant(self, x: Any, widths: Any, value: Any) -> Any:
        return aten.constant_pad_nd.default(x, widths, value)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_constant)

    def replacement(self, x: Any) -> Any:
        return x

    def when(self, match: Match) -> str | None:
        return None if all(isinstance(width, int) and width == 0 for width in match["widths"]) else "pads"

    def examples(self) -> Sequence[Example]:
        return (Example(_Pad(0, 0, 0, 0), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Pad(1, -1), (torch.randn(2, 3, 4),), "pads"),)

"""Average pooling over the whole plane."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match, equal_sizes
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, prefers


class GlobalPoolToMean(Rule):
    """avg_pool(x) over the whole plane = mean of x over height and width, dimensions kept.

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any) -> Any:
        return aten.adaptive_avg_pool2d.default(x, [1, 1])

    def pattern_window(self, x: Any, kernel: Any, stride: Any, padding: Any, ceil: Any, padded: Any) -> Any:
        return aten.avg_pool2d.default(x, kernel, stride, padding, ceil, padded, None)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_window)

    def when(self, match: Match) -> str | None:
        if "kernel" not in match.bindings:
            return None
        if any(match["padding"]):
            return "the pool pads"
        kernel = match["kernel"]
        sides = (kernel[0], kernel[-1])
        return None if equal_sizes(match.shape("x")[-2:], sides) else "the window is not the whole plane"

    def replacement(self, x: Any) -> Any:
        return aten.mean.dim(x, [-2, -1], True)

    def targets(self, target: Target) -> str | None:
        return prefers(target, "global_pool", "mean")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 7, 7)
        return (Example(nn.AdaptiveAvgPool2d(1), (x,)), Example(nn.AvgPool2d(7), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 4, 4)
        return (Negative(nn.AvgPool2d(3), (x,), "not the whole plane"), Negative(nn.AdaptiveAvgPool2d(2), (x,)),
                Negative(nn.AvgPool2d(4, padding=1, stride=4), (x,), "pads"))

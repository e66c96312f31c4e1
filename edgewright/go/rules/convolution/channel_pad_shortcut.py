"""The parameter-free shortcut of residual networks as a convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, prefers


class _Shortcut(nn.Module):
    def __init__(self, *widths: int, start: int = 0, end: int | None = None, value: float = 0.0) -> None:
        super().__init__()
        self.widths, self.rows, self.value = (0, 0, 0, 0, *widths)[-6:], slice(start, end, 2), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x[:, :, self.rows, ::2], self.widths, value=self.value)


class _Volume(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 0, 2, 2))


class ChannelPadShortcut(Rule):
    """pad(x[:, :, ::s, ::t], zero channels) = a 1x1 convolution with strides s, t and a weight of 0 and 1.

    The shortcut is option A of He et al. 2015, section 3.3.
    Finite input: in a convolution an infinity or NaN spreads to the other channels of its place.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "large")
    after = ("full-slice",)

    def pattern(self, x: Any, end_row: Any, row: Any, end_column: Any, column: Any, widths: Any, value: Any) -> Any:
        return aten.pad.default(_strided(x, end_row, row, end_column, column), widths, "constant", value)

    def pattern_constant(self, x: Any, end_row: Any, row: Any, end_column: Any, column: Any, widths: Any,
                         value: Any) -> Any:
        return aten.constant_pad_nd.default(_strided(x, end_row, row, end_column, column), widths, value)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_constant)

    def when(self, match: Match) -> str | None:
        if len(match.shape("x")) != 4 or not isinstance(match.shape("x")[1], int):
            return "not a batch of images"
        widths = match["widths"]
        if len(widths) != 6 or any(widths[:4]) or min(widths) < 0:
            return "pads another dimension than the channels"
        return None if match["value"] in (None, 0) else "pads with another value than zero"

    def derive(self, match: Match) -> Mapping[str, Any]:
        channels, (before, after) = match.shape("x")[1], match["widths"][4:]
        weight = torch.zeros(before + channels + after, channels, 1, 1, dtype=torch.float64)
        weight[before:before + channels, :, 0, 0] = torch.eye(channels, dtype=torch.float64)
        return {"weight": weight}

    def replacement(self, x: Any, row: Any, column: Any, weight: Any) -> Any:
        return aten.conv2d.default(x, weight, None, [row, column])

    def targets(self, target: Target) -> str | None:
        return prefers(target, "channel_pad_shortcut", "conv2d")

    def examples(self) -> Sequence[Example]:
        return (Example(_Shortcut(2, 2), (torch.randn(2, 4, 8, 8),)),
                Example(_Shortcut(0, 3), (torch.randn(2, 3, 7, 5),)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 8, 8)
        return (Negative(_Shortcut(2, 2, start=1), (x,)), Negative(_Shortcut(2, 2, value=1.0), (x,), "another value"),
                Negative(_Shortcut(2, 2, end=6), (x,), "shape"),
                Negative(_Shortcut(1, -1, 0, 0, 2, 2), (x,), "another dimension"),
                Negative(_Volume(), (x[..., None],), "not a batch of images", harmless=True))


def _strided(x: Any, end_row: Any, row: Any, end_column: Any, column: Any) -> Any:
    return aten.slice.Tensor(aten.slice.Tensor(x, 2, 0, end_row, row), 3, 0, end_column, column)

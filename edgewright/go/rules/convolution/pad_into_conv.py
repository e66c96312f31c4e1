"""Zero padding in front of a convolution."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Padded(nn.Module):
    def __init__(self, widths: tuple[int, ...], padding: int = 0, value: float = 0.0) -> None:
        super().__init__()
        self.conv, self.widths, self.value = nn.Conv2d(3, 4, 3, padding=padding), widths, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(nn.functional.pad(x, self.widths, value=self.value))
        return y


class PadIntoConv(Rule):
    """conv(pad(x, [a, a, b, b]), padding [p, q]) = conv(x, padding [p + b, q + a]) for zeros, the same on both sides.

    Values near the largest float are left out: they overflow in one order of the sums and not in the other.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "infinity", "nan")

    def pattern(self, x: Any, widths: Any, value: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
                groups: Any) -> Any:
        padded = aten.pad.default(x, widths, "constant", value)
        return aten.conv2d.default(padded, weight, bias, stride, padding, dilation, groups)

    def pattern_constant(self, x: Any, widths: Any, value: Any, weight: Any, bias: Any, stride: Any, padding: Any,
                         dilation: Any, groups: Any) -> Any:
        padded = aten.constant_pad_nd.default(x, widths, value)
        return aten.conv2d.default(padded, weight, bias, stride, padding, dilation, groups)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_constant)

    def when(self, match: Match) -> str | None:
        widths = match["widths"]
        if match["value"] not in (None, 0):
            return "pads with another value than zero"
        if len(widths) != 4 or min(widths) < 0:
            return "pads another dimension than height and width, or crops"
        return None if widths[0] == widths[1] and widths[2] == widths[3] else "pads the sides differently"

    def derive(self, match: Match) -> Mapping[str, Any]:
        left, _, top, _ = match["widths"]
        padding = match["padding"]
        return {"all_padding": [padding[0] + top, padding[-1] + left]}

    def replacement(self, x: Any, weight: Any, bias: Any, stride: Any, all_padding: Any, dilation: Any,
                    groups: Any) -> Any:
        return aten.conv2d.default(x, weight, bias, stride, all_padding, dilation, groups)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 6, 6)
        return (Example(_Padded((1, 1, 1, 1)), (x,)), Example(_Padded((0, 0, 2, 2), padding=1), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 6, 6)
        return (Negative(_Padded((0, 1, 0, 1)), (x,), "sides differently", harmless=True),
                Negative(_Padded((1, 1, 1, 1), value=1.0), (x,), "another value"),
                Negative(_Padded((-1, -1, -1, -1), padding=1), (x,), "or crops"))

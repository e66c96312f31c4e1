"""An expansion that broadcasting would do anyway."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Bias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bias", torch.randn(1, 3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = self.bias.expand(x.shape[0], 3, 4)
        return x - bias + torch.maximum(bias, x)


class _Outer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(2).expand(-1, -1, 5) * x.mean(1).reshape(-1, 1, 1)


class ExpandBeforeBinary(Rule):
    """f(expand(x, s), y) = f(x, y) for a broadcasting f whose result keeps its shape."""

    kind = Class.EXACT
    shared = True

    def pattern(self, x: Any, shape: Any, y: Any) -> Any:
        return _binary(aten.expand.default(x, shape), y)

    def pattern_right(self, x: Any, shape: Any, y: Any) -> Any:
        return _binary(y, aten.expand.default(x, shape))

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_right)

    def derive(self, match: Match) -> Mapping[str, Any]:
        root = match.root
        left = root.args[0] in match.nodes
        return {"function": root.target if left else lambda x, y: root.target(y, x)}  # type: ignore[operator]

    def replacement(self, x: Any, y: Any, function: Any) -> Any:
        return function(x, y)

    def examples(self) -> Sequence[Example]:
        return (Example(_Bias(), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Outer(), (torch.randn(2, 3),), "shape"),)


def _binary(first: Any, second: Any) -> Any:
    return AnyOf(aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.maximum.default,
                 aten.minimum.default, aten.eq.Tensor, aten.le.Tensor, aten.lt.Tensor, aten.bitwise_and.Tensor,
                 aten.logical_and.default)(first, second)

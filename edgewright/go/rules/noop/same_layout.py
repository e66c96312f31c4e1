"""Copies that change nothing."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Copy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().contiguous().clone().detach() + 1


class _Transposed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).contiguous().view(x.shape[0], -1)


class SameLayout(Rule):
    """contiguous(x) = clone(x) = detach(x) = alias(x) = x where nobody sees the layout change."""

    kind = Class.EXACT

    def pattern(self, x: Any, memory_format: Any) -> Any:
        return AnyOf(aten.contiguous.default, aten.clone.default)(x, memory_format=memory_format)

    def pattern_view(self, x: Any) -> Any:
        return AnyOf(aten.detach.default, aten.alias.default, aten.lift_fresh_copy.default)(x)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_view)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        return (Example(_Copy(), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Transposed(), (torch.randn(2, 3, 4),), "layout"),)

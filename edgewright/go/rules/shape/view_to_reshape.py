"""The canonical form of a reshape."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _View(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], -1) + 1


class _ViewAsIntegers(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(torch.int32) + 1


class ViewToReshape(Rule):
    """view(x, s) = reshape(x, s): in a functional program no one sees whether memory is shared."""

    kind = Class.EXACT

    def pattern(self, x: Any, shape: Any) -> Any:
        return AnyOf(aten.view.default, aten._unsafe_view.default)(x, shape)

    def replacement(self, x: Any, shape: Any) -> Any:
        return aten.reshape.default(x, shape)

    def examples(self) -> Sequence[Example]:
        return (Example(_View(), (torch.randn(2, 3, 4),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_ViewAsIntegers(), (torch.randn(2, 3, 4),)),)

"""Two reshapes in a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import RESHAPE, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Reshapes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 4, 3).view(x.shape[0], -1).reshape(x.shape[0], 2, 6) + 1


class _Flattens(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 2, -1).flatten(1) + 1


class _Rows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 4, 3).reshape(-1, 3) + 1


class _FlattensRows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], 4, 3).flatten(0, 1) + 1


class _Used(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x.reshape(x.shape[0], 4, 3)
        return y + 1, y.reshape(x.shape[0], 12) + 2


class ReshapeReshape(Rule):
    """reshape(reshape(x, s), t) = reshape(x, t)."""

    kind = Class.EXACT

    def pattern(self, x: Any, inner: Any, outer: Any) -> Any:
        return RESHAPE(RESHAPE(x, inner), outer)

    def pattern_flatten(self, x: Any, inner: Any, start: Any, end: Any) -> Any:
        return aten.flatten.using_ints(RESHAPE(x, inner), start, end)

    def pattern_flattened(self, x: Any, start: Any, end: Any, outer: Any) -> Any:
        return RESHAPE(aten.flatten.using_ints(x, start, end), outer)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_flatten, self.pattern_flattened)

    def derive(self, match: Match) -> Mapping[str, Any]:
        return {"shape": list(match.output.shape)}

    def replacement(self, x: Any, shape: Any) -> Any:
        return aten.reshape.default(x, shape)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return tuple(Example(module, (x,)) for module in (_Reshapes(), _Flattens(), _Rows(), _FlattensRows()))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Used(), (torch.randn(2, 3, 4),), "has another user", harmless=True),)

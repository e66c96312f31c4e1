"""Two permutations in a row."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match, dimension
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Permutes(nn.Module):
    def __init__(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(self.first).permute(self.second) + 1


class _Transposes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).transpose(-2, -1).permute(0, 2, 1).transpose(1, 2) + 1


class _Used(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x.permute(0, 2, 1)
        return y + 1, y.permute(0, 2, 1) + 2


class PermutePermute(Rule):
    """permute(permute(x, p), q) = permute(x, [p[q[0]], p[q[1]], ...]); a transpose is a permutation."""

    kind = Class.EXACT

    def pattern(self, x: Any, first: Any, second: Any) -> Any:
        return aten.permute.default(aten.permute.default(x, first), second)

    def pattern_inner(self, x: Any, first_from: Any, first_to: Any, second: Any) -> Any:
        return aten.permute.default(aten.transpose.int(x, first_from, first_to), second)

    def pattern_outer(self, x: Any, first: Any, second_from: Any, second_to: Any) -> Any:
        return aten.transpose.int(aten.permute.default(x, first), second_from, second_to)

    def pattern_both(self, x: Any, first_from: Any, first_to: Any, second_from: Any, second_to: Any) -> Any:
        return aten.transpose.int(aten.transpose.int(x, first_from, first_to), second_from, second_to)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_inner, self.pattern_outer, self.pattern_both)

    def derive(self, match: Match) -> Mapping[str, Any]:
        rank = len(match.shape("x"))
        first, second = _order(match, "first", rank), _order(match, "second", rank)
        return {"order": [first[index] for index in second]}

    def replacement(self, x: Any, order: Any) -> Any:
        return x if order == list(range(len(order))) else aten.permute.default(x, order)

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return (Example(_Permutes((0, 2, 1), (2, 0, 1)), (x,)), Example(_Transposes(), (x,)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Used(), (torch.randn(2, 3, 4),), "has another user", harmless=True),)


def _order(match: Match, name: str, rank: int) -> list[int]:
    if name in match.bindings:
        return [dimension(index, rank) for index in match[name]]
    order = list(range(rank))
    one, other = dimension(match[f"{name}_from"], rank), dimension(match[f"{name}_to"], rank)
    order[one], order[other] = order[other], order[one]
    return order

"""Dropout outside training."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Always(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5, training=True) + 1


class EvalDropout(Rule):
    """dropout(x, p, training=False) = x, and dropout(x, 0, training) = x."""

    kind = Class.EXACT

    def pattern(self, x: Any, probability: Any, training: Any) -> Any:
        return AnyOf(aten.dropout.default, aten.feature_dropout.default, aten.alpha_dropout.default,
                     aten.feature_alpha_dropout.default)(x, probability, training)

    def replacement(self, x: Any) -> Any:
        return x

    def when(self, match: Match) -> str | None:
        return None if not match["training"] or match["probability"] == 0 else "drops values"

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 4)
        return tuple(Example(nn.Sequential(nn.ReLU(), dropout, nn.ReLU()).eval(), (x,))
                     for dropout in (nn.Dropout(0.1), nn.Dropout1d(0.1), nn.AlphaDropout(0.1)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Always(), (torch.randn(2, 30),), "drops values"),)

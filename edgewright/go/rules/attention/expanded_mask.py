"""An attention mask that is expanded to the batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(5, 5, dtype=torch.bool).tril()[None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = self.mask.expand(x.shape[0], -1, -1, -1)
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask) + 1


class _Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[[[True, False, True, True, False]]]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = self.mask.expand(x.shape[0], -1, 5, -1)
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask) + 1


class ExpandedMask(Rule):
    """attention(q, k, v, expand(mask)) = attention(q, k, v, mask): the mask broadcasts over batch and heads."""

    kind = Class.EXACT
    shared = True

    def pattern(self, query: Any, key: Any, value: Any, mask: Any, shape: Any, dropout: Any, causal: Any, scale: Any,
                grouped: Any) -> Any:
        return aten.scaled_dot_product_attention.default(
            query, key, value, aten.expand.default(mask, shape), dropout, causal, scale=scale, enable_gqa=grouped)

    def when(self, match: Match) -> str | None:
        mask, shape = match.shape("mask"), match.value("shape")
        # The kernels take a mask that is short along batch and heads, but not along the two score dimensions.
        rows = len(mask) >= 2 and all(wanted in (-1, have) for have, wanted in zip(mask[-2:], shape[-2:], strict=True))
        return None if rows else "the mask varies along a score dimension by expansion"

    def replacement(self, query: Any, key: Any, value: Any, mask: Any, dropout: Any, causal: Any, scale: Any,
                    grouped: Any) -> Any:
        return aten.scaled_dot_product_attention.default(
            query, key, value, mask, dropout, causal, scale=scale, enable_gqa=grouped)

    def examples(self) -> Sequence[Example]:
        return (Example(_Attention(), (torch.randn(2, 3, 5, 8),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Rows(), (torch.randn(2, 3, 5, 8),), "score dimension", harmless=True),)

"""Attention for a target without a kernel for it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match, is_constant, static
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, lacks


class _Attention(nn.Module):
    def __init__(self, mask: torch.Tensor | None = None, causal: bool = False, grouped: bool = False) -> None:
        super().__init__()
        self.causal, self.grouped = causal, grouped
        self.register_buffer("mask", mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        key, value = (x[:, :1], x[:, :1] + 1) if self.grouped else (x * 0.5, x + 1)
        return nn.functional.scaled_dot_product_attention(
            x, key, value, self.mask, is_causal=self.causal, enable_gqa=self.grouped)


class _DataMask(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, x[..., :5] > 0)


class _OverBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x[None]
        return nn.functional.scaled_dot_product_attention(y, y, y, is_causal=True)[0]


class _Dropout(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1)


class AttentionDecompose(Rule):
    """attention(q, k, v, m) = softmax(scale q k^T + m) v, with scale 1 / sqrt(width) (Vaswani et al. 2017, eq. 1).

    A constant or causal mask of booleans becomes a constant m of 0 and -inf. Finite input: the fused kernel treats
    rows of infinities and overflowing products in its own way. So a mask of floats that is computed from data must
    admit something in each row: where it is -inf throughout, the kernel gives 0 and this NaN.
    """

    kind = Class.DECOMPOSITION
    ulps = 256.0
    specials = ("zero", "denormal", "half")
    after = ("expanded-mask",)

    def pattern(self, query: Any, key: Any, value: Any, mask: Any, causal: Any, scale: Any, grouped: Any) -> Any:
        return aten.scaled_dot_product_attention.default(
            query, key, value, mask, 0.0, causal, scale=scale, enable_gqa=grouped)

    def when(self, match: Match) -> str | None:
        mask = match["mask"]
        if match["grouped"]:
            return "several heads share a key"
        if mask is None:
            sizes = (match.shape("query")[-2], match.shape("key")[-2])
            return None if not match["causal"] or static(sizes) else "the sequence length is not static"
        if not is_constant(mask):
            return "the boolean mask is not constant" if match.dtype("mask") == torch.bool else None
        values = match.tensor("mask")
        admitted = values if values.dtype == torch.bool else values != -math.inf
        return None if bool(admitted.any(-1).all()) else "a row of the mask admits nothing"

    def derive(self, match: Match) -> Mapping[str, Any]:
        allowed = None
        if match["causal"]:
            rows, columns = match.shape("query")[-2], match.shape("key")[-2]
            allowed = torch.ones(rows, columns, dtype=torch.bool).tril()
        elif is_constant(match["mask"]) and match.dtype("mask") == torch.bool:
            allowed = match.tensor("mask")
        additive = None
        if allowed is not None:
            additive = torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)
        return {"additive": additive}

    def replacement(self, query: Any, key: Any, value: Any, mask: Any, scale: Any, additive: Any) -> Any:
        factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
        scores = aten.matmul.default(aten.mul.Tensor(query, factor), aten.transpose.int(key, -2, -1))
        if additive is not None:
            scores = aten.add.Tensor(scores, additive)
        elif mask is not None:
            scores = aten.add.Tensor(scores, mask)
        return aten.matmul.default(aten.softmax.int(scores, -1), value)

    def targets(self, target: Target) -> str | None:
        return lacks(target, "scaled_dot_product_attention")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 5, 8)
        return (Example(_Attention(), (x,)), Example(_Attention(causal=True), (x,)),
                Example(_Attention(torch.ones(5, 5, dtype=torch.bool).tril()), (x,)),
                Example(_Attention(torch.randn(5, 5)), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 3, 5, 8)
        blind = torch.ones(5, 5, dtype=torch.bool)
        blind[2] = False
        return (Negative(_Attention(blind), (x,), "admits nothing"),
                Negative(_Attention(torch.zeros(5, 5).masked_fill(~blind, -math.inf)), (x,), "admits nothing"),
                Negative(_Attention(causal=True, grouped=True), (x,), "share a key", harmless=True),
                Negative(_OverBatch(), (x[0, 0],), "length is not static", harmless=True),
                Negative(_DataMask(), (x,), "mask is not constant"),
                Negative(_Dropout(), (x,)))

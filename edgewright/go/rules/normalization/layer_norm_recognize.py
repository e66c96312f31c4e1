"""LayerNorm from its spellings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.rules.normalization._norm import normalized, refuse_norm
from edgewright.go.target import Target, has_kernel


class _Norm(nn.Module):
    def __init__(self, *shape: int, dim: int = -1, eps: float | torch.Tensor = 1e-6) -> None:
        super().__init__()
        self.weight, self.bias, self.dim = nn.Parameter(torch.rand(shape)), nn.Parameter(torch.rand(shape)), dim
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centered = x - x.mean(self.dim, keepdim=True)
        variance = centered.pow(2).mean(self.dim, keepdim=True)
        return self.weight * (centered / torch.sqrt(variance + self.eps)) + self.bias


class _Rsqrt(_Norm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centered = x - x.mean(-1, keepdim=True)
        variance = (centered * centered).mean(-1, keepdim=True)
        return centered * torch.rsqrt(variance + 1e-6) * self.weight + self.bias


class LayerNormRecognize(Rule):
    """w (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) + b = layer_norm(x, w, b, eps) (Ba et al. 2016, eq. 4).

    Finite input whose square does not overflow: the kernel computes the variance in another way.
    """

    kind = Class.REAL_EXACT
    ulps = 256.0
    specials = ("zero", "denormal", "half", "nan")

    def pattern(self, x: Any, weight: Any, bias: Any, dims: Any, eps: Any) -> Any:
        centered = aten.sub.Tensor(x, aten.mean.dim(x, dims, True))
        variance = aten.mean.dim(aten.pow.Tensor_Scalar(centered, 2), dims, True)
        scaled = aten.div.Tensor(centered, aten.sqrt.default(aten.add.Tensor(variance, eps)))
        return aten.add.Tensor(aten.mul.Tensor(weight, scaled), bias)

    def pattern_rsqrt(self, x: Any, weight: Any, bias: Any, dims: Any, eps: Any) -> Any:
        centered = aten.sub.Tensor(x, aten.mean.dim(x, dims, True))
        variance = aten.mean.dim(aten.mul.Tensor(centered, centered), dims, True)
        scaled = aten.mul.Tensor(centered, aten.rsqrt.default(aten.add.Tensor(variance, eps)))
        return aten.add.Tensor(aten.mul.Tensor(weight, scaled), bias)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_rsqrt)

    def when(self, match: Match) -> str | None:
        return refuse_norm(match, "weight", "bias")

    def derive(self, match: Match) -> Mapping[str, Any]:
        return normalized(match)

    def replacement(self, x: Any, normalized: Any, weight: Any, bias: Any, eps: Any) -> Any:
        return aten.layer_norm.default(x, normalized, weight, bias, eps)

    def targets(self, target: Target) -> str | None:
        return has_kernel(target, "layer_norm")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 8)
        return (Example(_Norm(8), (x,)), Example(_Rsqrt(8), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 4, 4)
        return (Negative(_Norm(4, dim=1), (x,), "another dimension"),
                Negative(_Norm(4, eps=torch.tensor(1e-6)), (x,), "eps is no number", harmless=True),
                Negative(_Norm(4, 1), (x,), "one value per channel", harmless=True))

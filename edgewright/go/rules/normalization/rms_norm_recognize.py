"""RMSNorm from its spellings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.rules.normalization._norm import normalized, refuse_norm
from edgewright.go.target import Target, has_kernel


class _LlamaNorm(nn.Module):
    """As transformers' LlamaRMSNorm spells it."""

    def __init__(self, *shape: int, dim: int = -1, eps: float | torch.Tensor = 1e-5) -> None:
        super().__init__()
        self.weight, self.dim, self.eps = nn.Parameter(torch.rand(shape) + 0.5), dim, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance = x.pow(2).mean(self.dim, keepdim=True)
        return self.weight * (x * torch.rsqrt(variance + self.eps))


class _Squared(_LlamaNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * self.weight


class RmsNormRecognize(Rule):
    """w x / sqrt(mean(x^2) + eps) = rms_norm(x, w, eps) over the last dimension (Zhang and Sennrich 2019, eq. 4)."""

    kind = Class.REAL_EXACT
    after = ("same-dtype",)

    def pattern(self, x: Any, weight: Any, dims: Any, eps: Any) -> Any:
        variance = aten.mean.dim(aten.pow.Tensor_Scalar(x, 2), dims, True)
        return aten.mul.Tensor(weight, aten.mul.Tensor(x, aten.rsqrt.default(aten.add.Tensor(variance, eps))))

    def pattern_division(self, x: Any, weight: Any, dims: Any, eps: Any) -> Any:
        variance = aten.mean.dim(aten.mul.Tensor(x, x), dims, True)
        return aten.mul.Tensor(weight, aten.div.Tensor(x, aten.sqrt.default(aten.add.Tensor(variance, eps))))

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_division)

    def when(self, match: Match) -> str | None:
        return refuse_norm(match, "weight")

    def derive(self, match: Match) -> Mapping[str, Any]:
        return normalized(match)

    def replacement(self, x: Any, normalized: Any, weight: Any, eps: Any) -> Any:
        return aten.rms_norm.default(x, normalized, weight, eps)

    def targets(self, target: Target) -> str | None:
        return has_kernel(target, "rms_norm")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3, 8)
        return (Example(_LlamaNorm(8), (x,)), Example(_Squared(8), (x,)))

    def negatives(self) -> Sequence[Negative]:
        x = torch.randn(2, 4, 4)
        return (Negative(_LlamaNorm(4, dim=1), (x,), "another dimension"),
                Negative(_LlamaNorm(4, eps=torch.tensor(1e-5)), (x,), "eps is no number", harmless=True),
                Negative(_LlamaNorm(4, 1), (x,), "one value per channel", harmless=True))

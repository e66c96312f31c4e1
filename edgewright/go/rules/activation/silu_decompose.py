"""SiLU for a target without a kernel for it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, lacks


class SiluDecompose(Rule):
    """silu(x) = x sigmoid(x)."""

    kind = Class.REAL_EXACT

    def pattern(self, x: Any) -> Any:
        return aten.silu.default(x)

    def replacement(self, x: Any) -> Any:
        return aten.mul.Tensor(x, aten.sigmoid.default(x))

    def targets(self, target: Target) -> str | None:
        return lacks(target, "silu")

    def examples(self) -> Sequence[Example]:
        return (Example(nn.SiLU(), (torch.randn(2, 3),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(nn.Mish(), (torch.randn(2, 3),)),)

"""Conversion to the type that is there."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule


class _Convert(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().to(self.dtype) + 1


class SameDtype(Rule):
    """to(x, type of x) = x on the same device."""

    kind = Class.EXACT
    quiet = True

    def pattern(self, x: Any, dtype: Any, non_blocking: Any, copy: Any, memory_format: Any) -> Any:
        return aten.to.dtype(x, dtype, non_blocking, copy, memory_format)

    def pattern_layout(self, x: Any, dtype: Any, layout: Any, device: Any) -> Any:
        return AnyOf(aten.to.dtype_layout, aten._to_copy.default)(x, dtype=dtype, layout=layout, device=device)

    def pattern_device(self, x: Any, device: Any, dtype: Any) -> Any:
        return aten.to.device(x, device, dtype)

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_layout, self.pattern_device)

    def replacement(self, x: Any) -> Any:
        return x

    def examples(self) -> Sequence[Example]:
        return (Example(_Convert(torch.float32), (torch.randn(2, 3),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Convert(torch.float16), (torch.randn(2, 3),), "type"),)

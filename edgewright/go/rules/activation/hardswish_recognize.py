"""Hard swish from its spellings."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgewright.go.pattern import AnyOf, aten
from edgewright.go.rule import Class, Example, Negative, Rule
from edgewright.go.target import Target, has_kernel


class _Clamp(nn.Module):
    def __init__(self, top: float = 6.0) -> None:
        super().__init__()
        self.top = top

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (x + 3).clamp(0.0, self.top) / 6


class _Relu6(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * nn.functional.relu6(x + 3) / 6


class _HardSigmoid(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * nn.functional.hardsigmoid(x)


class HardswishRecognize(Rule):
    """x clamp(x + 3, 0, 6) / 6 = hardswish(x) (Howard et al. 2019, section 5.2).

    Not for values whose product with 6 overflows: the kernel divides before it multiplies.
    """

    kind = Class.REAL_EXACT
    specials = ("zero", "denormal", "half", "nan")

    def pattern(self, x: Any) -> Any:
        return aten.div.Tensor(aten.mul.Tensor(x, _clamped(aten.add.Tensor(x, 3))), 6)

    def pattern_relu6(self, x: Any) -> Any:
        return aten.div.Tensor(aten.mul.Tensor(x, aten.relu6.default(aten.add.Tensor(x, 3))), 6)

    def pattern_hardsigmoid(self, x: Any) -> Any:
        return aten.mul.Tensor(x, aten.hardsigmoid.default(x))

    def patterns(self) -> Sequence[Any]:
        return (self.pattern, self.pattern_relu6, self.pattern_hardsigmoid)

    def replacement(self, x: Any) -> Any:
        return aten.hardswish.default(x)

    def targets(self, target: Target) -> str | None:
        return has_kernel(target, "hardswish")

    def examples(self) -> Sequence[Example]:
        x = torch.randn(2, 3)
        return (Example(_Clamp(), (x,)), Example(_Relu6(), (x,)), Example(_HardSigmoid(), (x,)))

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Clamp(5.0), (torch.randn(2, 3),)),)


def _clamped(x: Any) -> Any:
    return AnyOf(aten.clamp.default, aten.hardtanh.default)(x, 0, 6)

"""Faults planted in rules, each caught with its reason and a counterexample."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from edgewright.go.certify import certify
from edgewright.go.match import Match
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Constant, Example, Negative, Rule, RuleError


class _Relu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + 1).relu()


class _ReluRule(Rule):
    """relu(x) = x, which it is not."""

    kind = Class.REAL_EXACT

    def pattern(self, x: Any) -> Any:
        return aten.relu.default(x)

    def replacement(self, x: Any) -> Any:
        return aten.clamp.default(x, 0)

    def examples(self) -> Sequence[Example]:
        return (Example(_Relu(), (torch.randn(2, 3),)),)


class _NoMatch(_ReluRule):
    """relu(x) = relu(x)."""

    def examples(self) -> Sequence[Example]:
        return (Example(nn.Sigmoid(), (torch.randn(2, 3),)),)


class _NoExample(_ReluRule):
    """relu(x) = relu(x)."""

    def examples(self) -> Sequence[Example]:
        return ()


class _OtherType(_ReluRule):
    """relu(x) = relu(x) in float16."""

    def replacement(self, x: Any) -> Any:
        return aten.to.dtype(x, torch.float16)


class _OtherShape(_ReluRule):
    """relu(x) = relu(x) with one more dimension."""

    def replacement(self, x: Any) -> Any:
        return aten.unsqueeze.default(x, 0)


class _OneInAThousand(_ReluRule):
    """relu(x) = relu(x), but wrong on about one value of a thousand."""

    def replacement(self, x: Any) -> Any:
        narrow = aten.eq.Scalar(aten.floor.default(aten.mul.Tensor(x, 400.0)), 500.0)
        return aten.masked_fill.Scalar(aten.clamp.default(x, 0), narrow, 0.0)


class _PositiveOnly(_ReluRule):
    """relu(x) = x for positive x."""

    def replacement(self, x: Any) -> Any:
        return x


class _NotExact(_ReluRule):
    """relu(x) = (x + |x|) / 2, called exact."""

    kind = Class.EXACT

    def replacement(self, x: Any) -> Any:
        return aten.div.Tensor(aten.add.Tensor(x, aten.abs.default(x)), 2)


class _Python(_ReluRule):
    """relu(x) = relu(x) by a function that is no operator."""

    def replacement(self, x: Any) -> Any:
        return torch.nn.functional.relu6(x)


@pytest.mark.parametrize(("rule", "reason"), [
    (_NoMatch(), "the pattern does not occur"),
    (_NoExample(), "no examples"),
    (_OtherType(), "type torch.float32 would become torch.float16"),
    (_OtherShape(), "shape"),
    (_OneInAThousand(), r"at \[\d+, \d\]: 1\.25\d+ became 0\.0"),
    (_PositiveOnly(), r"at \[\d+, \d\]: 0\.0 became -"),
    (_NotExact(), r"became"),
    (_Python(), "no ATen operator"),
], ids=lambda value: type(value).__name__)
def test_fault_is_caught_with_a_counterexample(rule: Rule, reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        certify(rule)


class _SharedLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(nn.functional.linear(x, self.weight).relu(), self.weight) * 2


class _InPlace(Rule):
    """2 (W x) = (2 W) x, by doubling W where it lies."""

    kind = Class.FOLDED
    specials = ("zero",)

    def pattern(self, x: Any, weight: Constant) -> Any:
        return aten.mul.Tensor(aten.linear.default(x, weight), 2)

    def replacement(self, x: Any, weight: Any) -> Any:
        return aten.linear.default(x, weight.mul_(2))

    def examples(self) -> Sequence[Example]:
        return (Example(_SharedLinear(), (torch.randn(2, 3),)),)


class _Endless(_ReluRule):
    """relu(x) = relu(x) + 0, for ever."""

    def replacement(self, x: Any) -> Any:
        return aten.add.Tensor(aten.relu.default(x), 0)


def test_a_rule_that_feeds_itself_is_caught() -> None:
    with pytest.raises(RuleError, match=r"rules fire without end: test-certify; the last at"):
        certify(_Endless())


def test_a_shared_weight_keeps_its_value() -> None:
    module = _SharedLinear()
    before = module.weight.detach().clone()
    with pytest.raises(RuleError, match="changed in place"):
        certify(_InPlace())
    assert torch.equal(module.weight, before)


class _Needless(_ReluRule):
    """relu(x) = max(x, 0) with a guard that nothing needs."""

    def when(self, match: Match) -> str | None:
        return "too wide" if match.shape("x")[-1] > 3 else None

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Relu(), (torch.randn(2, 5),), "too wide"),)


class _Covered(_ReluRule):
    """relu(x) = the sum of x over one entry, with a guard that the engine has too."""

    def when(self, match: Match) -> str | None:
        return "not one column" if match.shape("x")[-1] != 1 else None

    def replacement(self, x: Any) -> Any:
        return aten.clamp.default(aten.sum.dim_IntList(x, [-1], True), 0)

    def examples(self) -> Sequence[Example]:
        return (Example(_Relu(), (torch.randn(2, 1),)),)

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Relu(), (torch.randn(2, 5),), "not one column"),)


class _Missing(_ReluRule):
    """relu(x) = max(x, 0) with a negative that nothing refuses."""

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Relu(), (torch.randn(2, 5),), "too wide"),)


class _Vague(_Needless):
    """relu(x) = max(x, 0) refused for another reason than the one stated."""

    def negatives(self) -> Sequence[Negative]:
        return (Negative(_Relu(), (torch.randn(2, 5),), "too narrow"),)


@pytest.mark.parametrize(("rule", "reason"), [
    (_Needless(), "right without the guard"), (_Covered(), "the engine refuses it without the guard"),
    (_Missing(), "fires"), (_Vague(), "instead of 'too narrow'"),
], ids=lambda value: type(value).__name__)
def test_guards_are_proved_by_their_negatives(rule: Rule, reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        certify(rule)


def test_an_honest_rule_passes() -> None:
    certificate = certify(_ReluRule())
    assert certificate.ulps == 0.0
    assert certificate.ulps_float64 == 0.0

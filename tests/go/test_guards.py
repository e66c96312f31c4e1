"""What no rule may do, whatever it says."""

from typing import Any

import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.go.engine import Rewriting, rewrite
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Rule


class _DropAbs(Rule):
    """abs(x) = x."""

    kind = Class.EXACT

    def pattern(self, x: Any) -> Any:
        return aten.abs.default(x)

    def replacement(self, x: Any) -> Any:
        return x


class _AbsOfNegative(Rule):
    """abs(-x) = abs(x)."""

    kind = Class.EXACT

    def pattern(self, x: Any) -> Any:
        return aten.abs.default(aten.neg.default(x))

    def replacement(self, x: Any) -> Any:
        return aten.abs.default(x)


class _AbsTransposed(_DropAbs):
    """abs(x) = x^T^T, laid out the other way."""

    def replacement(self, x: Any) -> Any:
        return aten.transpose.int(aten.contiguous.default(aten.transpose.int(x, 1, 2)), 1, 2)


def _input_is_output(x: torch.Tensor) -> Any:
    return x.abs()


def _two_outputs(x: torch.Tensor) -> Any:
    y = x.sin()
    return y, y.abs()


def _negative_is_read(x: torch.Tensor) -> Any:
    y = -x
    return y.abs(), y + 1


def _layout_is_seen(x: torch.Tensor) -> Any:
    return x.sin().abs().view(x.shape[0], -1)


def _layout_is_seen_behind_others(x: torch.Tensor) -> Any:
    return x.sin().abs().relu().sigmoid().view(x.shape[0], -1)


def _layout_reaches_the_caller(x: torch.Tensor) -> Any:
    return x.sin().abs().relu()


def _layout_is_that_of_complex_numbers(x: torch.Tensor) -> Any:
    return torch.view_as_complex(x.sin().abs().unflatten(2, (2, 2))) + 1


class _Module(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize(("rule", "function", "guard"), [
    (_DropAbs(), _input_is_output, "the program's output abs_1 would be x itself"),
    (_DropAbs(), _two_outputs, "the program's output abs_1 would be sin itself"),
    (_AbsOfNegative(), _negative_is_read, "neg has another user, add"),
    (_AbsTransposed(), _layout_is_seen, "layout (12, 4, 1) would become (12, 1, 3), seen by view"),
    (_AbsTransposed(), _layout_is_seen_behind_others, "layout (12, 4, 1) would become (12, 1, 3), seen by view"),
    (_AbsTransposed(), _layout_reaches_the_caller, "layout (12, 4, 1) would become (12, 1, 3), seen by the caller"),
    (_AbsTransposed(), _layout_is_that_of_complex_numbers,
     "layout (12, 4, 1) would become (12, 1, 3), seen by view_as_complex"),
])
def test_guard_refuses(rule: Rule, function: Any, guard: str) -> None:
    with torch.no_grad():
        program = torch.export.export(_Module(function), (torch.zeros(2, 3, 4),))
    work = Rewriting(ir.unlift(ir.canonicalize(program)))
    nodes = [node.name for node in work.module.graph.nodes]
    assert rewrite(work, (rule,), {rule.name: ""}) == 0
    assert [refusal.guard for refusal in work.refusals.values()] == [guard]
    assert [node.name for node in work.module.graph.nodes] == nodes, "a refused replacement leaves nothing behind"

"""Rules run to a fixed point, in order, and never silently wrong."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edgewright import ir
from edgewright.go.engine import Rewriting, ordered, rewrite
from edgewright.go.pattern import aten
from edgewright.go.rule import Class, Rule, RuleError
from edgewright.go.witness import Witness

Export = Callable[..., ExportedProgram]


class _Named(Rule):
    """A rule whose name is its class's."""

    kind = Class.REAL_EXACT

    @property
    def name(self) -> str:
        return type(self).__name__.strip("_").lower()


class _ReluToClamp(_Named):
    """relu(x) = clamp(x, 0)."""

    def pattern(self, x: Any) -> Any:
        return aten.relu.default(x)

    def replacement(self, x: Any) -> Any:
        return aten.clamp.default(x, 0)


class _ClampToRelu(_Named):
    """clamp(x, 0) = relu(x)."""

    def pattern(self, x: Any) -> Any:
        return aten.clamp.default(x, 0)

    def replacement(self, x: Any) -> Any:
        return aten.relu.default(x)


class _Wrong(_Named):
    """relu(x) = x for positive x."""

    def pattern(self, x: Any) -> Any:
        return aten.relu.default(x)

    def replacement(self, x: Any) -> Any:
        return aten.mul.Tensor(x, torch.ones(3))


class _MulToDiv(_Named):
    """0.1 x = x / 10, up to rounding."""

    def pattern(self, x: Any) -> Any:
        return aten.mul.Tensor(x, 0.1)

    def replacement(self, x: Any) -> Any:
        return aten.div.Tensor(x, 10.0)


class _NegNeg(_Named):
    """-(-x) = x."""

    kind = Class.EXACT

    def pattern(self, x: Any) -> Any:
        return aten.neg.default(aten.neg.default(x))

    def replacement(self, x: Any) -> Any:
        return x


class _Unbuildable(_ReluToClamp):
    """relu(x) = x reshaped to what it does not fit."""

    def replacement(self, x: Any) -> Any:
        return aten.reshape.default(x, [7, 7])


class _Unrunnable(_ReluToClamp):
    """relu(x) = x times a matrix of another type."""

    def replacement(self, x: Any) -> Any:
        return aten.conv1d.default(x, torch.zeros(3, 3, 1))


class _First(_ReluToClamp):
    """relu(x) = clamp(x, 0)."""

    after = ("second",)


class _Second(_ReluToClamp):
    """relu(x) = clamp(x, 0)."""

    after = ("first",)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.ReLU(), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return y + 1


class _Negated(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 0.1).neg().neg() + 1


def test_order_is_by_name_behind_what_is_declared() -> None:
    assert [rule.name for rule in ordered([_Wrong(), _Second(), _ClampToRelu()])] == ["clamptorelu", "second", "wrong"]
    assert [rule.name for rule in ordered([_ReluToClamp(), _First(), _Wrong()])] == ["first", "relutoclamp", "wrong"]


def test_order_with_a_cycle_is_refused() -> None:
    with pytest.raises(RuleError, match=r"must come after each other: (first -> second|second -> first)"):
        ordered([_First(), _Second()])


def test_rules_that_undo_each_other_are_named(export: Export) -> None:
    work = Rewriting(ir.unlift(export(_Net(), torch.zeros(2, 3))))
    rules = ordered([_ReluToClamp(), _ClampToRelu()])
    with pytest.raises(RuleError, match="undo each other: clamptorelu, relutoclamp"):
        rewrite(work, rules, {rule.name: "" for rule in rules})


def test_wrong_firing_is_rolled_back_and_the_run_goes_on(export: Export) -> None:
    module = ir.unlift(export(_Net(), torch.zeros(2, 3)))
    before, attributes = str(module.graph), dict(module.named_buffers())
    work = Rewriting(module, Witness(module, [(torch.tensor([[1.0, -2.0, 3.0]]),)]))
    assert rewrite(work, (_Wrong(),), {"wrong": "planted"}) == 1
    (firing,) = work.firings
    assert firing.rolled_back
    assert firing.row()["counterexample"] == "at [0, 1]: 0.0 became -2.0"
    assert [refusal.guard for refusal in work.refusals.values()] == ["witness: at [0, 1]: 0.0 became -2.0"]
    assert str(module.graph) == before
    assert dict(module.named_buffers()) == attributes
    assert rewrite(work, (_ReluToClamp(),), {"relutoclamp": ""}) == 1
    assert not work.firings[-1].rolled_back


def test_exact_rule_behind_a_real_exact_one_is_compared_on_equal_inputs(export: Export) -> None:
    module = ir.unlift(export(_Negated(), torch.zeros(2, 300)))
    work = Rewriting(module, Witness(module, [(torch.randn(5, 300),)]))
    rules = ordered([_MulToDiv(), _NegNeg()])
    rewrite(work, rules, {rule.name: "" for rule in rules})
    assert [(firing.rule, firing.rolled_back) for firing in work.firings] == [("multodiv", False), ("negneg", False)]
    assert work.firings[0].witness is not None
    assert work.firings[0].witness.max_abs > 0


def test_replacement_that_cannot_be_built_is_refused(export: Export) -> None:
    module = ir.unlift(export(_Net(), torch.zeros(2, 3)))
    before, work = str(module.graph), Rewriting(module)
    assert rewrite(work, (_Unbuildable(),), {"unbuildable": ""}) == 0
    (refusal,) = work.refusals.values()
    assert refusal.guard.startswith("aten.reshape.default on ")
    assert str(module.graph) == before


def test_replacement_that_does_not_run_is_refused(export: Export) -> None:
    x = torch.ones(2, 3, 4, dtype=torch.uint8)
    module = ir.unlift(export(nn.ReLU(), x))
    before, attributes = str(module.graph), dict(module.named_buffers())
    work = Rewriting(module, Witness(module, [(x,)]))
    assert rewrite(work, (_Unrunnable(),), {"unrunnable": ""}) == 0
    (refusal,) = work.refusals.values()
    assert refusal.guard.startswith("witness: does not run: ")
    assert str(module.graph) == before
    assert dict(module.named_buffers()) == attributes


def test_firing_carries_scope_provenance_and_witness(export: Export) -> None:
    module = ir.unlift(export(_Net(), torch.zeros(2, 3)))
    work = Rewriting(module, Witness(module, [(torch.randn(5, 3),)]))
    rewrite(work, (_ReluToClamp(),), {"relutoclamp": "a reason"})
    (row,) = [firing.row() for firing in work.firings]
    assert row == {"rule": "relutoclamp", "class": "real-exact", "node": "relu", "scope": "block.0",
                   "reason": "a reason", "rolled_back": False,
                   "witness": {"samples": 5, "max_abs": 0.0, "bound": row["witness"]["bound"]}}
    (node,) = module.graph.find_nodes(op="call_function", target=aten.clamp.default)
    assert ir.scope(node) == "block.0"
    assert node.meta["custom"] == {"from": ["relu"], "rules": ["relutoclamp"]}
    assert node.meta["val"].shape[1] == 3


def test_rules_without_a_reason_do_not_run(export: Export) -> None:
    work = Rewriting(ir.unlift(export(_Net(), torch.zeros(2, 3))))
    assert rewrite(work, (_ReluToClamp(),), {}) == 0
    assert not work.firings

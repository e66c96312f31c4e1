"""Patterns are found where they are, and only there."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.go.match import Match
from edgewright.go.matcher import find
from edgewright.go.pattern import AnyOf, aten, trace
from edgewright.go.rule import RuleError


def _matches(function: Callable[..., Any], module: nn.Module, *inputs: torch.Tensor) -> list[Match]:
    program = ir.export(module.eval(), [(tuple(value.shape[1:]), value.dtype) for value in inputs])
    graph_module = ir.unlift(program)
    found = (find(trace(function), graph_module, node, frozenset()) for node in graph_module.graph.nodes)
    return [match for match in found if match is not None]


class _Module(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def _swish(x: Any) -> Any:
    return x * aten.sigmoid.default(x)


def _plus_one(x: Any) -> Any:
    return aten.add.Tensor(x, 1)


def _softmax(x: Any, dim: Any) -> Any:
    return AnyOf(aten.softmax.int, aten.log_softmax.int)(x, dim)


def _pair(x: Any, y: Any) -> Any:
    return aten.cat.default([x, y], 1)


X = torch.zeros(2, 3)


@pytest.mark.parametrize(("pattern", "function", "count"), [
    (_swish, lambda x: x * x.sigmoid(), 1),
    (_swish, lambda x: x.sigmoid() * x, 1),
    (_swish, lambda x: x * (x + 1).sigmoid(), 0),
    (_plus_one, lambda x: x + 1.0, 1),
    (_plus_one, lambda x: x + 2, 0),
    (_plus_one, lambda x: torch.add(x, 1, alpha=2), 0),
    (_softmax, lambda x: x.softmax(-1).log_softmax(0), 2),
    (_softmax, lambda x: x.softmax(-1, dtype=torch.float64), 0),
    (_pair, lambda x: torch.cat([x, x.sin()], 1), 1),
    (_pair, lambda x: torch.cat([x, x, x], 1), 0),
    (_pair, lambda x: torch.cat([x, x]), 0),
])
def test_pattern_is_found(pattern: Callable[..., Any], function: Callable[..., torch.Tensor], count: int) -> None:
    assert len(_matches(pattern, _Module(function), X)) == count


def test_bindings_are_nodes_and_literals() -> None:
    (match,) = _matches(_softmax, _Module(lambda x: x.softmax(-1)), X)
    assert match["dim"] == -1
    assert match["x"].op == "placeholder"
    assert match.shape("x")[1] == 3
    assert match.dtype("x") == torch.float32
    assert [node.name for node in match.nodes] == ["softmax"]


def _wildcard(x: Any) -> Any:
    return x


def _branches(x: Any) -> Any:
    return aten.sin.default(x), aten.cos.default(x)


@pytest.mark.parametrize(("function", "reason"), [
    (torch.nn.functional.relu6, "is no ATen operator"),
    (lambda x: x.softmax(-1), "is no operator"),
    (_wildcard, "is no operator's result"),
    (_branches, "is no operator's result"),
])
def test_what_is_no_pattern_is_refused(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        trace(function)

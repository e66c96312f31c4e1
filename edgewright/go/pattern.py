"""Patterns: plain functions traced into small graphs."""

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import fx

from edgewright.go.rule import RuleError

aten = torch.ops.aten

OPERATORS: dict[Any, tuple[Any, Any]] = {
    operator.add: (aten.add.Tensor, aten.add.Tensor),
    operator.sub: (aten.sub.Tensor, aten.sub.Tensor),
    operator.mul: (aten.mul.Tensor, aten.mul.Tensor),
    operator.truediv: (aten.div.Tensor, aten.div.Tensor),
    operator.neg: (aten.neg.default, aten.neg.default),
    operator.matmul: (aten.matmul.default, aten.matmul.default),
    operator.pow: (aten.pow.Tensor_Tensor, aten.pow.Tensor_Scalar),
}
"""ATen operators of Python's, for a tensor and for a number on the right."""

COMMUTATIVE = frozenset({
    aten.add.Tensor, aten.mul.Tensor, aten.maximum.default, aten.minimum.default, aten.eq.Tensor, aten.ne.Tensor,
    aten.logical_and.default, aten.logical_or.default, aten.bitwise_and.Tensor, aten.bitwise_or.Tensor,
})
"""Operators whose first two arguments may change places; `add` only with alpha 1."""


class AnyOf:
    """One of several operators with the same leading arguments; use it in a pattern like an operator."""

    __name__ = "any_of"

    def __init__(self, *targets: Any) -> None:
        self.targets = targets

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        proxy = next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, fx.Proxy))
        return proxy.tracer.create_proxy("call_function", self, args, kwargs)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A traced pattern.

    Attributes:
        root: the node of the traced graph that stands for the result.
        function: what was traced.
    """

    root: fx.Node
    function: Callable[..., Any]


RESHAPE = AnyOf(aten.reshape.default, aten.view.default, aten._unsafe_view.default)
"""A reshape in all its spellings."""


def targets_of(node: fx.Node) -> tuple[Any, ...]:
    """The operators that a node of a pattern admits."""
    return node.target.targets if isinstance(node.target, AnyOf) else (node.target,)


def aten_operator(target: Any, args: tuple[Any, ...]) -> Any:
    """The ATen operator that a recorded call stands for, or None where there is none."""
    if target in OPERATORS:
        return OPERATORS[target][len(args) > 1 and not isinstance(args[1], fx.Node | fx.Proxy | torch.Tensor)]
    if isinstance(target, torch._ops.OpOverload | AnyOf) or target is operator.getitem:
        return target
    return None


@cache
def trace(function: Callable[..., Any]) -> Pattern:
    """Trace `function` with a wildcard for every parameter.

    Raises:
        RuleError: it calls something that is no ATen operator, or its result is no operator.
    """
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    result = function(*(fx.Proxy(graph.placeholder(name), tracer) for name in inspect.signature(function).parameters))
    where = getattr(function, "__qualname__", str(function))
    for node in graph.nodes:
        if node.op == "call_function":
            target = aten_operator(node.target, node.args)
            if target is None:
                raise RuleError(f"{where}: {node.target} is no ATen operator; write torch.ops.aten calls")
            if target in COMMUTATIVE and not isinstance(node.args[0], fx.Node):
                node.args = node.args[::-1]
            node.target = target
        elif node.op != "placeholder":
            raise RuleError(f"{where}: '{node.target}' is no operator; write torch.ops.aten calls")
    if not isinstance(result, fx.Proxy) or result.node.op != "call_function":
        raise RuleError(f"{where}: returns something that is no operator's result")
    return Pattern(result.node, function)

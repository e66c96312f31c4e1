"""Bias correction: rounding a weight shifts the mean of its operator's output; the bias takes the shift back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.fx import GraphModule, Interpreter, Node

from edgewright import ir
from edgewright.gq.annotate import Quantized
from edgewright.gq.collect import Row
from edgewright.gq.integers import origin
from edgewright.gq.operators import bias_of, is_linear, weight_of
from edgewright.gq.weights import IntegerWeight

_BIAS = 2


@dataclass(frozen=True, slots=True)
class Correction:
    """A bias that was replaced.

    Attributes:
        node: the constant that the operator reads now.
        before, after: float32 [out], without and with the shift.
    """

    node: Node
    before: torch.Tensor
    after: torch.Tensor


def correctable(plans: Iterable[Quantized]) -> dict[Node, Node]:
    """Static operators with a constant bias whose weight is rounded here, and the tensor that each multiplies."""
    found = {}
    for plan in plans:
        source, weight, bias = plan.node.args[0], weight_of(plan.node), bias_of(plan.node)
        is_rounded = weight is not None and origin(weight) is None
        if plan.is_static and is_rounded and bias is not None and bias.op == "get_attr" and isinstance(source, Node):
            found[plan.node] = source
    return found


def correct(
    module: GraphModule, weights: Mapping[Node, IntegerWeight], means: Mapping[Node, torch.Tensor]
) -> tuple[Correction, ...]:
    """Add E[(W - Q(W)) x] to the bias of each operator, per output channel.

    Nagel et al. 2019, arXiv:1906.04721, section 4.2. The operator is linear, so the expectation is its value on the
    mean input: borders and strides are exact. What is left of the operator's own error is its variance, so that
    error never grows on the sample.

    Args:
        module: an unlifted Program, changed in place: the bias becomes a new constant.
        weights: the weights that were rounded.
        means: float64 mean of the input of each operator to correct, [1, ...].
    """
    corrections = []
    for node, mean in means.items():
        error, bias = weights[node].error, bias_of(node)
        assert error is not None
        assert bias is not None
        before = ir.tensor_of(module, bias)
        after = (before.to(torch.float64) + shift(node, error, mean)).to(before.dtype)
        # A copy, because the constant is written to and `after` must stay.
        new = ir.constant(module, after.clone(), str(bias.target), node)
        node.replace_input_with(bias, new)
        corrections.append(Correction(new, before, after))
    return tuple(corrections)


def shift(node: Node, error: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """E[(W - Q(W)) x] of each output channel, float64 [out].

    Args:
        node: an operator that takes a weight.
        error: float64, W - Q(W) in the shape of the weight.
        mean: float64 mean of its input, [1, ...].
    """
    target = cast(Callable[..., torch.Tensor], node.target)
    arguments: list[Any] = list(node.args)
    moved = target(mean, error, None, *arguments[_BIAS + 1 :], **_rest(node))
    return moved.movedim(-1 if is_linear(ir.operator_name(node.target)) else 1, 0).flatten(1).mean(1)


def keep_if_better(
    module: GraphModule, quantized: GraphModule, corrections: Iterable[Correction], rows: Iterable[Row]
) -> dict[str, Any]:
    """Keep the corrections if the output of `quantized` is nearer to that of `module` with them, else undo all.

    Returns:
        {"operators", "applied", "output_mse", "output_mse_without"}: mean squared error of the output on `rows`.
    """
    corrections, rows = tuple(corrections), tuple(rows)
    references = [Interpreter(module).run(*row) for row in rows]
    errors = {}
    for key in ("before", "after"):
        for item in corrections:
            ir.tensor_of(quantized, item.node).copy_(getattr(item, key))
        errors[key] = _error(references, [Interpreter(quantized).run(*row) for row in rows])
    applied = errors["after"] <= errors["before"]
    if not applied:
        for item in corrections:
            ir.tensor_of(quantized, item.node).copy_(item.before)
    return {
        "operators": len(corrections),
        "applied": applied,
        "output_mse": errors["after"],
        "output_mse_without": errors["before"],
    }


def _error(references: Iterable[Any], outputs: Iterable[Any]) -> float:
    total, values = 0.0, 0
    for reference, output in zip(references, outputs, strict=True):
        for first, second in zip(_tensors(reference), _tensors(output), strict=True):
            total += float((first.to(torch.float64) - second.to(torch.float64)).square().sum())
            values += first.numel()
    return total / max(values, 1)


def _tensors(value: Any) -> tuple[torch.Tensor, ...]:
    return (value,) if isinstance(value, torch.Tensor) else tuple(value)


def _rest(node: Node) -> dict[str, Any]:
    return {key: value for key, value in node.kwargs.items() if key not in ("input", "weight", "bias")}

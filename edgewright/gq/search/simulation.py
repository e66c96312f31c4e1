"""Run a float Program as if its operators were quantized, each as it likes, without rewriting it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from edgewright.gq.annotate import Quantized
from edgewright.gq.groups import QuantizedTensor, grid_of
from edgewright.gq.operators import bias_of, weight_of
from edgewright.gq.parameters import ActivationGrid, Parameters

Rounding = Callable[[Tensor], Tensor]
"""Quantize and dequantize an activation."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A Program quantized with one precision everywhere: what the simulation takes its parts from.

    Attributes:
        name: as in `candidates`.
        plans: the operators that run on integers, by operator; none of them for `float`.
        parameters: scale and zero point of each tensor on the grid of this precision.
        weights: the float values of the rounded weights, by operator, in the shape of the weight.
        biases: the biases that take back the mean shift of rounding the weight, by operator.
    """

    name: str
    plans: Mapping[Node, Quantized]
    parameters: Mapping[QuantizedTensor, Parameters]
    weights: Mapping[Node, Tensor]
    biases: Mapping[Node, Tensor]


@dataclass(frozen=True, slots=True)
class Changes:
    """What runs otherwise than in float.

    Attributes:
        reads: rounding of what an operator reads, by operator and source.
        constants: weight or bias that an operator reads, by operator and source.
        writes: rounding of what an operator gives, seen by all that read it.
    """

    reads: Mapping[tuple[Node, Node], Rounding]
    constants: Mapping[tuple[Node, Node], Tensor]
    writes: Mapping[Node, Rounding]


NOTHING = Changes({}, {}, {})
"""The float Program as it is."""


def changes(chosen: Iterable[tuple[Precision, Quantized]]) -> Changes:
    """What the quantized operators `chosen` change, as `insert_static` and `insert_dynamic` would."""
    chosen = tuple(chosen)
    reads: dict[tuple[Node, Node], Rounding] = {}
    constants: dict[tuple[Node, Node], Tensor] = {}
    writes: dict[Node, Rounding] = {}
    made = {plan.tail: grid_of(plan) for _, plan in chosen if plan.is_static}
    for precision, plan in chosen:
        for source, values in ((weight_of(plan.node), precision.weights), (bias_of(plan.node), precision.biases)):
            if source is not None and plan.node in values:
                constants[plan.node, source] = values[plan.node]
        if plan.is_static:
            grid = grid_of(plan)
            writes[plan.tail] = static(grid, precision.parameters[QuantizedTensor(plan.tail, grid)])
            for consumer, source in plan.edges:
                if made.get(source) != grid:
                    reads[consumer, source] = static(grid, precision.parameters[QuantizedTensor(source, grid)])
        elif plan.is_dynamic:
            for consumer, source in plan.edges:
                reads[consumer, source] = dynamic(grid_of(plan))
    return Changes(reads, constants, writes)


def static(grid: ActivationGrid, parameters: Parameters) -> Rounding:
    """Rounding with constant parameters."""

    def rounded(value: Tensor) -> Tensor:
        levels = torch.round(value * (1.0 / parameters.scale)) + parameters.zero_point
        return (levels.clamp_(grid.qmin, grid.qmax) - parameters.zero_point) * parameters.scale

    return rounded


def dynamic(grid: ActivationGrid) -> Rounding:
    """Rounding with parameters of each token (the last dimension)."""
    kind, dtype = "SYMMETRIC" if grid.symmetric else "ASYMMETRIC", getattr(torch, grid.dtype)

    def rounded(value: Tensor) -> Tensor:
        ops = torch.ops.torchao
        block = [1] * (value.ndim - 1) + [value.shape[-1]]
        ends = (dtype, grid.qmin, grid.qmax)
        scale, zero = ops.choose_qparams_affine(value, kind, block, *ends, None, torch.float32, dtype)
        levels = ops.quantize_affine(value, block, scale, zero, *ends)
        return cast(Tensor, ops.dequantize_affine(levels, block, scale, zero, *ends))

    return rounded


class Simulated(Interpreter):
    """The float Program with some changes; frees each value after its last use."""

    def __init__(self, module: GraphModule, found: Changes) -> None:
        super().__init__(module)
        self._changes = found
        self._reading = {consumer for consumer, _ in (*found.reads, *found.constants)}

    def run_node(self, n: Node) -> Any:
        changed = self._changes
        if n not in self._reading:
            value = super().run_node(n)
        else:
            args, kwargs = self._arguments(n)
            value = getattr(self, n.op)(n.target, args, kwargs)
        rounding = changed.writes.get(n)
        return value if rounding is None else rounding(value)

    def _arguments(self, n: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        changed = self._changes

        def read(source: Node) -> Any:
            if (n, source) in changed.constants:
                return changed.constants[n, source]
            rounding = changed.reads.get((n, source))
            value = self.env[source]
            return value if rounding is None else rounding(value)

        args = torch.fx.map_arg(n.args, read)
        kwargs = torch.fx.map_arg(n.kwargs, read)
        return cast(tuple[Any, ...], args), cast(dict[str, Any], kwargs)


def output_of(module: GraphModule, found: Changes, row: Sequence[Tensor]) -> Tensor:
    """The first output of the changed Program on one batch."""
    with torch.no_grad():
        result = Simulated(module, found).run(*row)
    return cast(Tensor, result if isinstance(result, Tensor) else result[0])

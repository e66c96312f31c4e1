"""Integer weights of an operator: rounded to the scheme, or carried from aq."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config.schemes import WeightScheme
from edgewright.gq import integers
from edgewright.gq.annotate import Quantized
from edgewright.gq.operators import bias_of, channel_axis, weight_of
from edgewright.gq.parameters import Parameters
from edgewright.rounding import Grid, QuantizedWeight, check, clipped, min_max, quantize

_WIDE_BITS = 8
_BIAS_BITS = {"int16": 16, "int24": 24}
_DEFAULT_BIAS_BITS = 32


@dataclass(frozen=True, slots=True)
class IntegerWeight:
    """The weight of one operator on its grid.

    Attributes:
        module: path of the module that owns it.
        source: `aq` where the integers were brought, `rtn` where they were rounded here.
        scheme: bits, granularity, symmetry.
        values: int8 (int16 on 16 bits), shape of the weight.
        scale: float32, [out], [1] (per tensor) or [out, groups].
        zero_point: type of the values, shape of `scale`.
        qmin, qmax: ends of the grid.
        axis: of the output channels.
        error: float64, shape of the weight: what rounding took away from it; None where aq rounded.
        floor: smallest scale of each row that integer arithmetic can represent, [rows, 1]; None where nothing says.
    """

    module: str
    source: str
    scheme: WeightScheme
    values: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor
    qmin: int
    qmax: int
    axis: int
    error: torch.Tensor | None = None
    floor: torch.Tensor | None = None


def integer_weight(
    module: GraphModule,
    plan: Quantized,
    border: tuple[Parameters, Parameters] | None = None,
    scale: torch.Tensor | None = None,
) -> IntegerWeight:
    """The integer weight of an operator with a weight.

    Args:
        module: an unlifted Program.
        plan: the operator; its scheme has weights.
        border: parameters of its input and of its output, where they are static.
        scale: float32 of the shape that the scheme gives, to round with in place of the one found here.

    Raises:
        InputError: the weight is not finite.
    """
    weight, scheme = weight_of(plan.node), plan.scheme.weights
    assert weight is not None
    assert scheme is not None
    owner = integers.owner_of(plan.node) or ir.scope(plan.node)
    dequantize = integers.origin(weight)
    if dequantize is not None:
        return _carried(integers.read(module, dequantize), owner, scheme)
    axis = channel_axis(plan.node) or 0
    moved = ir.tensor_of(module, weight).movedim(axis, 0)
    matrix = moved.flatten(1) if scheme.granularity != "tensor" else moved.reshape(1, -1)
    grid = Grid(scheme.bits, scheme.symmetric, scheme.group, power_of_two=scheme.power_of_two)
    check(matrix, grid, owner)
    floor = None if border is None else _floor(module, plan, matrix, border)
    if scale is None:
        scale, zero_point = _scales(matrix, grid)
        if floor is not None and bool((floor > scale).any()):
            # A power of two stays one: doubled as often as the floor asks.
            least = torch.exp2(torch.ceil(torch.log2(floor))) if grid.power_of_two else floor
            scale = torch.maximum(scale, least)
            zero_point = _zero_points(matrix, grid, scale)
    else:
        scale = scale.reshape(matrix.shape[0], -1)
        zero_point = _zero_points(matrix, grid, scale)
    result = quantize(matrix, scale, zero_point, grid)
    error = (matrix.to(torch.float64) - _exact(result)).reshape(moved.shape).movedim(0, axis)
    flat = (lambda tensor: tensor) if scheme.group else torch.flatten
    return IntegerWeight(
        owner, "rtn", scheme, result.integers.reshape(moved.shape).movedim(0, axis).contiguous(),
        flat(result.scale.to(torch.float32)), flat(result.zero_point), grid.qmin, grid.qmax, axis, error, floor,
    )  # fmt: skip


def dequantized(module: GraphModule, weight: IntegerWeight, before: Node) -> Node:
    """A node with the float value of `weight`, inserted ahead of the operator `before` that reads it."""
    decomposed, graph = torch.ops.quantized_decomposed, module.graph
    kind = weight.values.dtype
    name = f"{weight.module}.weight" if weight.module else "weight"
    values = ir.constant(module, weight.values, name, before)
    arguments: tuple[Any, ...]
    if weight.scheme.granularity == "tensor":
        arguments = (values, float(weight.scale), int(weight.zero_point), weight.qmin, weight.qmax, kind)
        target = decomposed.dequantize_per_tensor.default
    else:
        zeros = weight.zero_point if weight.scheme.group else weight.zero_point.to(torch.int64)
        scale = ir.constant(module, weight.scale, f"{name}_scale", before)
        zero_point = ir.constant(module, zeros, f"{name}_zero_point", before)
        if weight.scheme.group:
            block = [1, weight.scheme.group]
            arguments = (values, block, scale, zero_point, kind, weight.qmin, weight.qmax)
            target = torch.ops.torchao.dequantize_affine.default
        else:
            arguments = (values, scale, zero_point, weight.axis, weight.qmin, weight.qmax, kind)
            target = decomposed.dequantize_per_channel.default
    with graph.inserting_before(before):
        node = graph.call_function(target, arguments)
    ir.adopt(node, [before])
    return node


def _carried(found: integers.Integers, owner: str, scheme: WeightScheme) -> IntegerWeight:
    # Kernels ask for the range of the width that they store, which narrower integers lie in.
    grid = Grid(scheme.bits, scheme.symmetric)
    qmin, qmax = min(found.qmin, grid.qmin), max(found.qmax, grid.qmax)
    weight = IntegerWeight(owner, "aq", scheme, found.values, found.scale, found.zero_point, qmin, qmax, 0)
    if scheme.group is not None:
        return weight
    return replace(weight, scale=found.scale.reshape(-1), zero_point=found.zero_point.reshape(-1))


def _scales(matrix: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point of each group: its whole range at 8 bits, the share with the least error below.

    At 8 bits nothing is clipped: the clipped weights are the ones that matter most, and their error has a sign.
    """
    return min_max(matrix, grid) if grid.bits >= _WIDE_BITS else clipped(matrix, grid)


def _floor(
    module: GraphModule, plan: Quantized, matrix: torch.Tensor, border: tuple[Parameters, Parameters]
) -> torch.Tensor:
    """The smallest scale of each row of a matrix, [rows, 1], that integer arithmetic can represent.

    The bias counts in steps of input scale x weight scale in the kernel's bits, and the accumulator is multiplied by
    input scale x weight scale / output scale. Both leave the range for a channel whose weights are almost zero. A bias
    of b bits takes half of its range, and leaves a quarter for half an output step, which rounds where a device floors.
    """
    read, written = border
    bits = _BIAS_BITS.get(plan.kernel.bias, _DEFAULT_BIAS_BITS)
    floor = torch.full_like(matrix[:, :1], written.scale / read.scale * 2.0 ** -(bits - 2))
    bias = bias_of(plan.node)
    if bias is None or bias.op != "get_attr":
        return floor
    largest = ir.tensor_of(module, bias).abs().to(matrix.dtype)
    largest = largest.max().reshape(1) if len(matrix) == 1 else largest
    return torch.maximum(floor, largest.unsqueeze(-1) / (read.scale * 2.0 ** (bits - 2)))


def _zero_points(matrix: torch.Tensor, grid: Grid, scale: torch.Tensor) -> torch.Tensor:
    if grid.symmetric:
        return torch.zeros_like(scale, dtype=grid.dtype)
    lowest = grid.split(matrix).amin(-1).clamp_(max=0)
    return (grid.qmin - torch.round(lowest / scale)).clamp_(grid.qmin, grid.qmax).to(grid.dtype)


def _exact(weight: QuantizedWeight) -> torch.Tensor:
    return replace(weight, scale=weight.scale.to(torch.float64)).dequantize()

"""Nodes of the layers of the NPU: a product or sum of integers, then add, multiply, shift right, floor, clip.

Integers are float32 tensors here, as in the ONNX that TI's compiler reads. Up to 2^24 float32 holds every integer, in
any order of summation, so ONNX Runtime's float convolutions compute them bit for bit, several times faster than its
integer ones. What could grow larger is bounded beforehand, summed in parts, and followed in float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.errors import InputError
from edgewright.targets.adapters import _tinpu_layers as layers
from edgewright.targets.adapters._tinpu_layers import Border, Integers, NoLayer, Requantization
from edgewright.targets.adapters._tinpu_match import MOVES, WEIGHTED, Layer, biases_of, groups_of, weight_of

_SPATIAL = [2, 3]
_RANK = 4
_WINDOW = ("kernel", "stride", "padding", "ceil_mode", "counted", "divisor")


@dataclass(frozen=True, slots=True)
class Builder:
    """Inserts nodes ahead of `before` that stand for `original`."""

    module: GraphModule
    before: Node
    original: Node

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Node:
        """A call of an operator."""
        with self.module.graph.inserting_before(self.before):
            node = self.module.graph.call_function(function, arguments, named)
        ir.adopt(node, [self.original])
        return node

    def constant(self, values: NDArray[Any], kind: torch.dtype, name: str) -> Node:
        """A constant of the program, named after the module of the original."""
        scope = ir.scope(self.original)
        hint = f"{scope}.{name}" if scope else name
        return ir.constant(self.module, torch.from_numpy(np.ascontiguousarray(values)).to(kind), hint, self.before)


def build(builder: Builder, layer: Layer, levels: Node) -> Node:
    """The levels of a layer's result, from those of its input.

    Raises:
        NoLayer: the NPU does not run this form of the operator.
        InputError: a bias or a sum has more bits than the NPU.
    """
    if layer.name in WEIGHTED:
        return _weighted(builder, layer, levels)
    if layer.name not in MOVES:
        return _averaged(builder, layer, levels)
    if layer.read != layer.written:
        raise NoLayer("its output has other parameters than its input")
    return builder.call(
        cast(Callable[..., Any], layer.node.target), levels, *layer.node.args[1:], **layer.node.kwargs
    )


def rounded(builder: Builder, source: Node, border: Border) -> Node:
    """Levels of a float tensor: divide, round half to even, clip."""
    aten = torch.ops.aten
    result = builder.call(aten.round.default, builder.call(aten.div.Tensor, source, border.scale))
    return builder.call(aten.clamp.default, result, float(border.low), float(border.high))


def restored(builder: Builder, levels: Node, border: Border) -> Node:
    """The real numbers that levels stand for."""
    return builder.call(torch.ops.aten.mul.Tensor, levels, border.scale)


def _weighted(builder: Builder, layer: Layer, levels: Node) -> Node:
    node = layer.node
    weight = weight_of(builder.module, node)
    integers, rows = weight.integers, len(weight.integers)
    biases = biases_of(builder.module, node, rows)
    used = np.where(integers.reshape(rows, -1).any(1), weight.scales, 0.0)
    after = layers.requantization(layer.read, layer.written, used, biases, weight.bits)
    sums = np.abs(integers).reshape(rows, -1).sum(1) * layer.read.largest
    _check(node, after.bias, sums, weight.bits)
    parts = _parts(node, integers, layer.read.largest)
    is_linear = layer.name == "linear"
    total: Node | None = None
    for part in parts:
        chunk = levels
        if len(parts) > 1:
            axis = cast(Node, node.args[0]).meta["val"].dim() - 1 if is_linear else 1
            chunk = builder.call(torch.ops.aten.slice.Tensor, levels, axis, part.start, part.stop)
        found = _product(builder, node, chunk, integers[:, part], is_linear)
        if len(parts) > 1:
            found = builder.call(torch.ops.aten.to.dtype, found, torch.float64)
        total = found if total is None else builder.call(torch.ops.aten.add.Tensor, total, found)
    assert total is not None
    shape = (-1,) if is_linear else (1, -1, 1, 1)
    return _sequence(builder, layer, total, after, sums, shape, is_wide=len(parts) > 1)


def _product(builder: Builder, node: Node, levels: Node, integers: Integers, is_linear: bool) -> Node:
    values = integers.T if is_linear else integers
    constant = builder.constant(values, torch.float32, "levels")
    if is_linear:
        return builder.call(torch.ops.aten.matmul.default, levels, constant)
    return builder.call(torch.ops.aten.conv2d.default, levels, constant, None, *node.args[3:])


def _check(node: Node, bias: Integers, sums: Integers, bits: int) -> None:
    """Refuse what the NPU's registers do not hold."""
    width, largest = layers.BIAS_BITS[bits], int(np.abs(bias).max(initial=0))
    cure = "say float for it under layers of the gq scheme"
    if largest >= 1 << (width - 1):
        raise InputError(
            f"module '{ir.scope(node)}': its bias needs {largest.bit_length() + 1} bits, the device has {width} with "
            f"{bits}-bit weights; leave the weight's scales to gq, or {cure}"
        )
    if int(sums.max(initial=0)) + largest > layers.ACCUMULATOR_MAX:
        raise InputError(f"module '{ir.scope(node)}': its sums need more than 32 bits; {cure}")


def _parts(node: Node, integers: Integers, largest: int) -> list[slice]:
    """Ranges of input channels whose sums float32 holds exactly.

    Raises:
        NoLayer: a single channel is too much, or a convolution in groups.
    """
    channels = np.abs(integers).reshape(*integers.shape[:2], -1).sum(2)
    parts, start = [], 0
    while start < channels.shape[1]:
        sums = channels[:, start:].cumsum(1).max(0) * largest
        count = int(np.searchsorted(sums, layers.EXACT_FLOAT32, side="right"))
        if count == 0 or (count < channels.shape[1] and groups_of(node) > 1):
            raise NoLayer("the sum over one channel has more than 24 bits")
        parts.append(slice(start, start + count))
        start += count
    return parts


def _averaged(builder: Builder, layer: Layer, levels: Node) -> Node:
    node = layer.node
    shape = cast(Node, node.args[0]).meta["val"].shape
    if len(shape) != _RANK:
        raise NoLayer("its input is no batch of images")
    # The batch may be a symbol, which reading it would fix.
    channels, height, width = (int(size) for size in shape[1:])
    if layer.name == "avg_pool2d":
        size, count, accumulator = _windows(builder, node, levels, channels)
    else:
        size = count = height * width
        keepdim = _keeps_dimensions(layer)
        accumulator = builder.call(torch.ops.aten.sum.dim_IntList, levels, _SPATIAL, keepdim)
    if size * layer.read.largest > layers.EXACT_FLOAT32:
        raise NoLayer("the sum over one window has more than 24 bits")
    after = layers.average(layer.read, layer.written, count)
    return _sequence(builder, layer, accumulator, after, np.array([size * layer.read.largest]), (1,), is_wide=False)


def _keeps_dimensions(layer: Layer) -> bool:
    """Whether a global average keeps its two dimensions.

    Raises:
        NoLayer: it is over others, or not to one pixel.
    """
    wanted = cast(Sequence[int] | None, layer.node.args[1])
    if layer.name == "adaptive_avg_pool2d":
        if list(wanted or ()) != [1, 1]:
            raise NoLayer("it is not to one pixel")
        return True
    if sorted(dim % _RANK for dim in wanted or ()) != _SPATIAL:
        raise NoLayer("it is not over the two spatial dimensions")
    return bool(layer.node.args[2]) if len(layer.node.args) > 2 else False


def _windows(builder: Builder, node: Node, levels: Node, channels: int) -> tuple[int, int, Node]:
    """Values in a window, what their sum is divided by, and that sum: a depthwise convolution with ones."""
    given = dict(zip(_WINDOW, node.args[1:], strict=False))
    kernel = _both(given["kernel"])
    stride, padding = _both(given.get("stride") or kernel), _both(given.get("padding", 0))
    if given.get("ceil_mode") or (any(padding) and not given.get("counted", True)):
        raise NoLayer("its windows have different sizes")
    ones = builder.constant(np.ones((channels, 1, *kernel)), torch.float32, "ones")
    total = builder.call(
        torch.ops.aten.conv2d.default, levels, ones, None, stride, padding, [1, 1], channels
    )
    size = kernel[0] * kernel[1]
    divisor = given.get("divisor")
    return size, size if divisor is None else cast(int, divisor), total


def _both(value: Any) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values


def _sequence(
    builder: Builder,
    layer: Layer,
    accumulator: Node,
    after: Requantization,
    sums: Integers,
    shape: tuple[int, ...],
    *,
    is_wide: bool,
) -> Node:
    """Add, multiply, shift right, floor, clip; in float64 where a product leaves the integers of float32."""
    aten = torch.ops.aten
    largest = (sums + np.abs(after.bias)) * after.multiplier
    casts = not is_wide and bool((largest > layers.EXACT_FLOAT32).any())
    kind = torch.float64 if is_wide or casts else torch.float32
    result = builder.call(aten.to.dtype, accumulator, kind) if casts else accumulator
    result = builder.call(aten.add.Tensor, result, builder.constant(after.bias.reshape(shape), kind, "bias"))
    factors = {"multiplier": after.multiplier, "shift": np.ldexp(1.0, -after.shift)}
    for name, values in factors.items():
        result = builder.call(aten.mul.Tensor, result, builder.constant(values.reshape(shape), kind, name))
    result = builder.call(aten.floor.default, result)
    result = builder.call(aten.clamp.default, result, *(float(end) for end in layer.limits))
    return builder.call(aten.to.dtype, result, torch.float32) if kind == torch.float64 else result

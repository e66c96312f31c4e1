"""What a QDQ Program means on the NPU: its own nodes, interpreted with int64 arithmetic, for tests and benchmarks.

A quantized tensor is its levels, integer - zero point. A convolution, linear or average pool of levels is an int64 sum,
which the quantize operator behind it turns into levels again:

    level = clip(((sum + bias) * multiplier) >> shift, low, high)

with, for s = input scale x weight scale (or input scale / values averaged) and t = output scale, of float32 values:
multiplier / 2^shift is s / t, exactly (multiplier 1) for 8-bit weights, else the nearest with an 8-bit multiplier;
bias = round(b / s + 2^(shift - 1) / multiplier), half to even, where nothing is added for a shift of 0. A channel whose
weights are all zero has s = t. Everything else runs in float32, one operator at a time, on what its levels stand for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node

from edgewright import ir
from edgewright.targets import Target, bounds

Integers = NDArray[np.int64]
_PER_TENSOR, _PER_CHANNEL = "dequantize_per_tensor", "dequantize_per_channel"
_WEIGHTED = ("conv2d", "linear")
_LAYERS = (*_WEIGHTED, "avg_pool2d", "adaptive_avg_pool2d", "mean")
_MOVES = ("max_pool2d", "flatten", "view", "reshape")
_POOL_DEFAULTS = (None, 0, False, True, None)
_CLIPS = ("relu", "hardtanh", "clamp")


@dataclass(frozen=True, slots=True)
class Levels:
    """A quantized tensor or weight: real = levels * scale, over the first axis where `scale` is an array.

    `is_moved`: an operator moved or compared the levels, and they are not quantized yet.
    """

    levels: Integers
    scale: Any
    low: int
    high: int
    is_moved: bool = False

    @property
    def real(self) -> torch.Tensor:
        """The numbers that it stands for, float32."""
        scale = np.asarray(self.scale, np.float32)
        shape = (-1, *(1,) * (self.levels.ndim - 1)) if scale.ndim else ()
        return torch.from_numpy(self.levels.astype(np.float32) * scale.reshape(shape))


@dataclass(frozen=True, slots=True)
class Sum:
    """An accumulator: real = sum * step + bias, with channels on `axis`, and what its value is clipped to."""

    total: Integers
    step: NDArray[np.float64]
    bias: NDArray[np.float64]
    bits: int
    axis: int
    low: float = -np.inf
    high: float = np.inf


def run(
    program: ExportedProgram, target: Target, inputs: Sequence[NDArray[Any]],
    products: Iterator[NDArray[Any]] | None = None,
) -> tuple[NDArray[np.float32], float]:
    """The first output of `program` on the NPU, and how far `products` are from the own ones, at most.

    Args:
        program: a QDQ Program.
        target: the capability map.
        inputs: one batch, an array an input.
        products: results of the convolutions and linears that run in float, in program order, as another runtime
            computed them: the last bits of such a sum depend on its order. They replace the own ones.
    """
    interpreter = _Reference(program, target, products)
    with torch.no_grad():
        results = interpreter.run(*(torch.from_numpy(item) for item in inputs))
    first = _real(results[0] if isinstance(results, tuple | list) else results)
    return first.numpy(), interpreter.distance


class _Reference(Interpreter):
    def __init__(self, program: ExportedProgram, target: Target, products: Iterator[NDArray[Any]] | None) -> None:
        super().__init__(ir.unlift(program))
        self.target, self.products = target, products
        self.distance = 0.0

    def run_node(self, n: Node) -> Any:
        if n.op != "call_function":
            return super().run_node(n)
        name = ir.operator_name(n.target)
        arguments = self.map_nodes_to_values(n.args, n)
        if name == "quantize_per_tensor":
            return self._quantized(arguments)
        if name in (_PER_TENSOR, _PER_CHANNEL):
            return _dequantized(name, arguments)
        if name in _LAYERS and isinstance(arguments[0], Levels) and self._is_layer(n):
            found = _sum(name, arguments)
            if found is not None:
                return found
        if name in _MOVES and isinstance(arguments[0], Levels) and self._is_moved(n, arguments[0]):
            return self._moved(n, arguments)
        if name in _CLIPS and isinstance(arguments[0], Sum):
            return _clipped(name, arguments)
        result = _called(n, [_real(item) for item in arguments])
        if name in _WEIGHTED and self.products is not None:
            given = torch.from_numpy(next(self.products))
            self.distance = max(self.distance, float((given - result).abs().max()))
            return given
        return result

    def _is_layer(self, node: Node) -> bool:
        """Whether the map has the operator, and nothing but an activation that it fuses stands before a quantize."""
        entry = self.target.operator(ir.operator_name(node.target))
        if entry is None or not entry.quantized or bounds.refusal(entry.bounds, node) is not None:
            return False
        user = node
        for _ in range(2):
            if len(user.users) != 1:
                return False
            (user,) = user.users
            if ir.operator_name(user.target) == "quantize_per_tensor":
                return _is_stored(user) and _is_stored(node.all_input_nodes[0])
            if ir.operator_name(user.target) not in entry.fuses:
                return False
        return False

    def _is_moved(self, node: Node, source: Levels) -> bool:
        if len(node.users) != 1 or not self.target.supports(ir.operator_name(node.target)):
            return False
        (user,) = node.users
        if ir.operator_name(user.target) != "quantize_per_tensor" or not _is_stored(user):
            return False
        scale, zero_point, qmin = cast(tuple[float, int, int], user.args[1:4])
        return bool(float(scale) == source.scale) and qmin - zero_point == source.low

    def _moved(self, node: Node, arguments: tuple[Any, ...]) -> Levels:
        source: Levels = arguments[0]
        # Small integers are exact in float64, for which torch has every operator.
        moved = _called(node, [torch.from_numpy(source.levels.astype(np.float64)), *arguments[1:]])
        return replace(source, levels=moved.numpy().astype(np.int64), is_moved=True)

    def _quantized(self, arguments: tuple[Any, ...]) -> Levels:
        value, scale, zero_point, qmin, qmax = arguments[:5]
        low, high = qmin - zero_point, qmax - zero_point
        if isinstance(value, Sum):
            return _requantized(value, float(scale), low, high)
        if isinstance(value, Levels) and value.is_moved:
            return replace(value, is_moved=False)
        divided = _real(value).numpy().astype(np.float32) / np.float32(scale)
        levels = np.clip(np.rint(divided), low, high).astype(np.int64)
        return Levels(levels, float(scale), low, high)


def _requantized(found: Sum, scale: float, low: int, high: int) -> Levels:
    """Add, multiply, shift right, clip; one channel after the other, in whole numbers."""
    moved = np.moveaxis(found.total, found.axis, 0)
    result = np.empty_like(moved)
    low = max(low, _level(found.low, scale, low, high))
    high = min(high, _level(found.high, scale, low, high))
    for channel, sums in enumerate(moved):
        index = channel % len(found.step)
        step, bias = float(found.step[index]), float(found.bias[index])
        step = scale if np.isnan(step) else step
        multiplier, shift = _ratio(step / scale, found.bits)
        half = 2.0 ** (shift - 1) / multiplier if shift else 0.0
        added = int(np.rint(bias / step + half))
        result[channel] = np.clip(((sums + added) * multiplier) >> shift, low, high)
    return Levels(np.moveaxis(result, 0, found.axis), scale, low, high)


def _ratio(ratio: float, bits: int) -> tuple[int, int]:
    """Multiplier and shift: the largest shift up to 31 at which the multiplier still has 8 bits, or 1 as multiplier."""
    if bits == 8:
        shift = next(count for count in range(32) if ratio * 2**count == 1.0)
        return 1, shift
    shift = next(count for count in range(31, -1, -1) if round(ratio * 2**count) <= 255)
    return round(ratio * 2**shift), shift


def _level(limit: float, scale: float, low: int, high: int) -> int:
    return low if limit == -np.inf else high if limit == np.inf else int(np.clip(np.rint(limit / scale), low, high))


def _sum(name: str, arguments: tuple[Any, ...]) -> Sum | None:
    """The accumulator of an operator; None for a form that the NPU does not run."""
    source = arguments[0]
    if name in _WEIGHTED:
        weight = arguments[1]
        if not isinstance(weight, Levels):
            return None
        rows = len(weight.levels)
        bits = (weight.high - weight.low).bit_length()
        step = np.broadcast_to(np.float64(source.scale) * weight.scale, rows)
        bias = arguments[2].double().numpy() if len(arguments) > 2 and arguments[2] is not None else np.zeros(rows)
        if name == "linear":
            return _kept(Sum(source.levels @ weight.levels.T, step, bias, bits, source.levels.ndim - 1), weight)
        total = _convolved(source.levels, weight.levels, *arguments[3:])
        return _kept(Sum(total, step, bias, bits, 1), weight)
    found = _averaged(name, arguments)
    if found is None:
        return None
    total, count = found
    return Sum(total, np.array([source.scale / count]), np.zeros(1), 0, 0)


def _kept(found: Sum, weight: Levels) -> Sum:
    """`found` with NaN as the step of channels whose weights are all zero."""
    empty = ~weight.levels.reshape(len(weight.levels), -1).any(1)
    return replace(found, step=np.where(empty, np.nan, found.step))


def _averaged(name: str, arguments: tuple[Any, ...]) -> tuple[Integers, int] | None:
    """The sums of an average, and what they are divided by."""
    levels = arguments[0].levels
    if levels.ndim != 4:
        return None
    if name == "avg_pool2d":
        given = (*arguments[1:], *_POOL_DEFAULTS[len(arguments) - 2 :])
        kernel, stride, padding, ceil, counted, divisor = given
        kernel, padding = _two(kernel), _two(padding)
        if ceil or (any(padding) and not counted):
            return None
        count = divisor or kernel[0] * kernel[1]
        return _windows(levels, kernel, _two(stride or kernel), padding, (1, 1)).sum((-2, -1)), count
    if name == "adaptive_avg_pool2d":
        wanted, kept = list(arguments[1]) == [1, 1], True
    else:
        wanted, kept = sorted(axis % 4 for axis in arguments[1]) == [2, 3], len(arguments) > 2 and bool(arguments[2])
    return (levels.sum((2, 3), keepdims=kept), levels.shape[2] * levels.shape[3]) if wanted else None


def _windows(levels: Integers, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Integers:
    """The windows [batch, channels, rows, columns, kernel rows, kernel columns] of zero-padded images."""
    (top, left), (down, right) = padding, stride
    padded = np.pad(levels, ((0, 0), (0, 0), (top, top), (left, left)))
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    # The stub knows a single axis.
    found: Integers = cast(Any, sliding_window_view)(padded, reach, axis=(2, 3))
    return found[:, :, ::down, ::right, :: dilation[0], :: dilation[1]]


def _convolved(
    levels: Integers, weight: Integers, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Integers:
    stride, padding, dilation = _two(stride), _two(padding), _two(dilation)
    rows, width = len(weight) // groups, weight.shape[1]
    parts = []
    for group in range(groups):
        chunk = levels[:, group * width : (group + 1) * width]
        windows = _windows(chunk, weight.shape[2:], stride, padding, dilation)
        batch, _, high, wide = windows.shape[:4]
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * high * wide, -1)
        kernel = weight[group * rows : (group + 1) * rows].reshape(rows, -1)
        parts.append((columns @ kernel.T).reshape(batch, high, wide, rows).transpose(0, 3, 1, 2))
    return np.concatenate(parts, 1)


def _dequantized(name: str, arguments: tuple[Any, ...]) -> Levels:
    """Levels of a tensor stay; those of a constant are counted from its zero points."""
    value = arguments[0]
    if isinstance(value, Levels):
        return value
    if name == _PER_TENSOR:
        scale, zero_point, qmin, qmax = arguments[1:5]
        return Levels(value.numpy().astype(np.int64) - zero_point, float(np.float32(scale)), qmin, qmax)
    scale, zero_point, axis, qmin, qmax = arguments[1:6]
    assert axis == 0, "a weight with its output channels on another axis"
    zeros = zero_point.numpy().astype(np.int64).reshape(-1, *(1,) * (value.ndim - 1))
    return Levels(value.numpy().astype(np.int64) - zeros, scale.double().numpy(), qmin, qmax)


def _clipped(name: str, arguments: tuple[Any, ...]) -> Sum:
    found: Sum = arguments[0]
    ends = {"relu": (0.0, None), "hardtanh": (-1.0, 1.0), "clamp": (None, None)}[name]
    limits: list[float | None] = [*arguments[1:], *ends[len(arguments) - 1 :]]
    low, high = limits
    return replace(found, low=-np.inf if low is None else low, high=np.inf if high is None else high)


def _called(node: Node, arguments: Sequence[Any]) -> Any:
    return cast(Callable[..., Any], node.target)(*arguments, **node.kwargs)


def _real(value: Any) -> Any:
    """What a value stands for, with every quantized tensor in it as real numbers."""
    if isinstance(value, tuple | list):
        return type(value)(_real(item) for item in value)
    return value.real if isinstance(value, Levels) else value


def _is_stored(node: Node) -> bool:
    """Whether the levels of a quantize or dequantize operator are signed or unsigned integers of 8 bits."""
    zero_point, qmin, qmax = cast(tuple[int, int, int], node.args[2:5])
    return (qmin - zero_point, qmax - zero_point) in ((-128, 127), (0, 255))


def _two(value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values

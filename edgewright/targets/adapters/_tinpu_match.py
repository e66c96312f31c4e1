"""Which operators of a QDQ graph are layers of the NPU, and why the others are not."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets import bounds
from edgewright.targets.adapters import _program
from edgewright.targets.adapters._tinpu_layers import BIAS_BITS, Border, Floats, Integers, NoLayer
from edgewright.targets.schema import Target

WEIGHTED = ("conv2d", "linear")
MOVES = ("max_pool2d", "flatten", "view", "reshape")
_ACTIVATIONS = ("relu", "hardtanh", "clamp")
_GROUPS = 6


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator between two quantized tensors.

    Attributes:
        node: the operator.
        activation: what is clipped in it, if anything.
        source: the quantize operator of its input; `quantize` that of its result.
        read, written: their parameters.
    """

    node: Node
    activation: Node | None
    source: Node
    quantize: Node
    read: Border
    written: Border

    @property
    def name(self) -> str:
        """Base name of the operator."""
        return _program.name_of(self.node)

    @property
    def limits(self) -> tuple[int, int]:
        """What its levels are clipped to: those of the tensor, narrowed by the activation."""
        low, high = self.written.low, self.written.high
        if self.activation is None:
            return low, high
        if _program.name_of(self.activation) == "relu":
            return max(low, 0), high
        ends = [*self.activation.args[1:], *((-1.0, 1.0) if _program.name_of(self.activation) == "hardtanh" else ())]
        least, most = (None if value is None else float(cast(float, value)) for value in [*ends, None, None][:2])
        if least is not None:
            low = min(max(low, int(np.rint(least / self.written.scale))), high)
        if most is not None:
            high = max(min(high, int(np.rint(most / self.written.scale))), low)
        return low, high


@dataclass(frozen=True, slots=True)
class Weight:
    """Weights of a layer: int64 integers, float64 scale of each output channel, and bits."""

    integers: Integers
    scales: Floats
    bits: int


def match(quantize: Node, known: Collection[Node], target: Target) -> Layer:
    """The layer whose result `quantize` quantizes.

    Args:
        quantize: a quantize operator.
        known: the quantize operators ahead of it.
        target: the capability map.

    Raises:
        NoLayer: it is none.
    """
    tail = cast(Node, quantize.args[0])
    node = operator_of(tail)
    name = _program.name_of(node)
    if (reason := refusal(node, target)) is not None:
        raise NoLayer(reason)
    if tail is not node and _program.name_of(tail) not in target.operators[name].fuses:
        raise NoLayer(f"{target.name} does not clip {_program.name_of(tail)} in it")
    if len(tail.users) > 1 or len(node.users) > 1:
        raise NoLayer("its float result has another user")
    restored = node.args[0]
    source = restored.args[0] if isinstance(restored, Node) and restored.args else None
    if not isinstance(restored, Node) or _program.name_of(restored) != "dequantize_per_tensor" or source not in known:
        raise NoLayer("its input is not quantized")
    read, written = border_of(restored), border_of(quantize)
    for border in (read, written):
        if not border.is_stored:
            found = f"{border.low} to {border.high}"
            raise NoLayer(f"levels {found} are no integers of 8 bits; activations must be symmetric")
    return Layer(node, None if tail is node else tail, cast(Node, source), quantize, read, written)


def refusal(node: Node, target: Target) -> str | None:
    """Why the capability map leaves an operator out whatever stands around it, or None where it does not."""
    name = _program.name_of(node)
    entry = target.operator(name)
    if entry is None or not entry.quantized:
        return f"{target.name} has no kernel for it"
    return bounds.refusal(entry.bounds, node)


def operator_of(tail: Node) -> Node:
    """The operator with a weight ahead of an activation, or the operator itself."""
    source = tail.args[0] if tail.args else None
    if _program.name_of(tail) in _ACTIVATIONS and isinstance(source, Node) and _program.name_of(source) in WEIGHTED:
        return source
    return tail


def border_of(node: Node) -> Border:
    """The parameters of a quantize or dequantize operator."""
    return Border.of(*cast(tuple[float, int, int, int], node.args[1:5]))


def groups_of(node: Node) -> int:
    """Groups of a convolution; 1 for a linear."""
    return cast(int, node.args[_GROUPS]) if len(node.args) > _GROUPS else 1


def weight_of(module: GraphModule, node: Node) -> Weight:
    """The weight of an operator that takes one.

    Raises:
        NoLayer: it is no constant of 2, 4 or 8 symmetric bits per output channel.
    """
    restored = node.args[1]
    name = _program.name_of(restored) if isinstance(restored, Node) else ""
    if not isinstance(restored, Node) or name not in ("dequantize_per_channel", "dequantize_per_tensor"):
        raise NoLayer("its weight is not quantized")
    arguments = cast(tuple[Any, ...], restored.args)
    if arguments[0].op != "get_attr":
        raise NoLayer("its weight is no constant of the program")
    integers = ir.tensor_of(module, arguments[0]).to(torch.int64).numpy()
    if name == "dequantize_per_tensor":
        scales, zeros = np.full(len(integers), float(np.float32(arguments[1]))), np.array([arguments[2]])
        qmin, qmax = arguments[3:5]
    else:
        scales = ir.tensor_of(module, arguments[1]).double().numpy()
        zeros = ir.tensor_of(module, arguments[2]).numpy()
        axis, qmin, qmax = arguments[3:6]
        if axis != 0:
            raise NoLayer("its weight has the output channels on another axis")
    bits = int(qmax - qmin).bit_length()
    if bool(zeros.any()) or bits not in BIAS_BITS:
        raise NoLayer(f"its weight is no symmetric one of 2, 4 or 8 bits but {qmin} to {qmax}")
    return Weight(integers, scales, bits)


def biases_of(module: GraphModule, node: Node, count: int) -> Floats:
    """The bias of an operator that takes one, float64 [count]; zeros where it has none.

    Raises:
        NoLayer: it is no constant.
    """
    bias = node.args[2] if len(node.args) > 2 else None
    if bias is None:
        return np.zeros(count)
    if not isinstance(bias, Node) or bias.op != "get_attr":
        raise NoLayer("its bias is no constant of the program")
    values: Floats = ir.tensor_of(module, bias).double().numpy()
    return values

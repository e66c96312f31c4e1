"""Weights in blocks for `com.microsoft.MatMulNBits`, the operator of ONNX Runtime for packed integer weights.

Its weights are unsigned, [rows, blocks, bytes of a block], two 4-bit integers a byte with the lower one first; the
scale of each block lies row by row. `accuracy_level` says what it computes in: 1 dequantizes the weight and
multiplies in float32, 4 quantizes the activations to int8, symmetric, each block of a token by its own scale, and
multiplies integers (onnxruntime, docs/ContribOperators.md; the blocks are those of MLAS's `SQNBitGemm`).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from edgewright import ir
from edgewright.targets.adapters import _tokens
from edgewright.targets.adapters._tokens import IntegerLinear

FLOAT_LEVEL, INTEGER_LEVEL = 1, 4
SMALLEST_BLOCK, _LARGEST_BLOCK = 16, 256
_NIBBLE = 4


@dataclass(frozen=True, slots=True)
class Blocks:
    """Weights as the operator stores them.

    Attributes:
        packed: uint8 [rows, blocks, bytes].
        scale: float32 [rows * blocks].
        zero_point: uint8, two 4-bit ones a byte along each row; None where all are the middle of the range.
        block: columns of a block.
    """

    packed: Tensor
    scale: Tensor
    zero_point: Tensor | None
    block: int


def block_of(columns: int, group: int, largest: int = _LARGEST_BLOCK) -> int:
    """Columns of a block: the largest power of two up to `largest` in which no two scales meet.

    A row with one scale may end in a block that is filled up; where groups are no multiple of the smallest block,
    a target's map says so.
    """
    common = math.gcd(group, largest)
    return common if common >= SMALLEST_BLOCK or group < columns else min(largest, 2 * SMALLEST_BLOCK)


def pack(linear: IntegerLinear, largest: int = _LARGEST_BLOCK) -> Blocks:
    """The weight of a linear operator in blocks; scales of groups that span several blocks are repeated."""
    rows, columns = linear.integers.shape
    block = block_of(columns, linear.group, largest)
    count = -(-columns // block)
    middle = 1 << (linear.bits - 1)
    owner = torch.arange(count) * block // linear.group
    scale, zero_point = linear.scale[:, owner], linear.zero_point[:, owner] + middle
    filled = zero_point.repeat_interleave(block, 1)
    filled[:, :columns] = linear.integers.to(torch.int32) + middle
    packed = _bytes(filled.reshape(rows, count, block), linear.bits)
    zeros = None if bool((zero_point == middle).all()) else _bytes(zero_point, linear.bits).reshape(-1)
    return Blocks(packed, scale.reshape(-1).contiguous(), zeros, block)


def rewrite(module: GraphModule, linear: IntegerLinear, largest: int = _LARGEST_BLOCK) -> None:
    """Replace a linear operator of an unlifted Program by `MatMulNBits` and an addition of its bias."""
    blocks = pack(linear, largest)
    name = str(linear.node.name)
    hints = {"packed": blocks.packed, "scale": blocks.scale, "zero_point": blocks.zero_point}
    weight = [
        None if value is None else ir.constant(module, value, f"{name}_{key}", linear.node)
        for key, value in hints.items()
    ]
    rows, columns = linear.integers.shape
    level = INTEGER_LEVEL if linear.is_dynamic else FLOAT_LEVEL
    arguments = (linear.source, *weight, linear.bias, rows, columns, linear.bits, blocks.block, level)
    _tokens.replace(module, linear, matmul_nbits, arguments)


def matmul_nbits(
    x: Tensor, packed: Tensor, scale: Tensor, zero_point: Tensor | None, bias: Tensor | None,
    rows: int, columns: int, bits: int, block: int, level: int,
) -> Tensor:  # fmt: skip
    """The operator in a graph that is exported to ONNX: [..., columns] to [..., rows]; it computes nothing in torch."""
    attributes: dict[str, Any] = {
        "K": columns, "N": rows, "bits": bits, "block_size": block, "accuracy_level": level,
    }  # fmt: skip
    inputs = [x, packed, scale] + ([] if zero_point is None else [zero_point])
    result = torch.onnx.ops.symbolic(
        "com.microsoft::MatMulNBits", inputs, attributes, dtype=x.dtype, shape=[*x.shape[:-1], rows], version=1
    )
    return result if bias is None else result + bias


def _bytes(values: Tensor, bits: int) -> Tensor:
    """Unsigned integers as bytes; 4-bit ones in pairs along the last dimension, which is filled up to an even count."""
    if bits > _NIBBLE:
        return values.to(torch.uint8)
    if values.shape[-1] % 2:
        values = torch.nn.functional.pad(values, (0, 1))
    return (values[..., 0::2] | (values[..., 1::2] << _NIBBLE)).to(torch.uint8)

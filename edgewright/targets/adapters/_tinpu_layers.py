"""A layer of the NPU: integers that follow a convolution, a matrix product or a sum.

y = clip(floor((accumulator + bias) * multiplier / 2^shift), low, high), as the user guide of TI's Neural Network
Compiler for MCUs writes it (section "Layer Patterns Supported on the NPU": Add, Mul, Div (2^n), Floor, Clip). The bias
has 24 bits with 8-bit weights and 16 with 2- and 4-bit ones, the multiplier is 1 with 8-bit weights and has 8 bits
without a sign with fewer, the shift has 5 bits. Half an output step in the bias makes the floor a rounding to nearest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

WIDE_BITS = 8
BIAS_BITS = {8: 24, 4: 16, 2: 16}
"""Bits of the bias by bits of the weights."""

MULTIPLIER_MAX = 255
SHIFT_MAX = 31
ACCUMULATOR_MAX = 2**31 - 1
EXACT_FLOAT32 = 2**24
"""Up to here float32 holds every integer, and sums in any order are exact."""


class NoLayer(Exception):
    """Why an operator is no layer of the NPU; it stays on the CPU."""


@dataclass(frozen=True, slots=True)
class Border:
    """Parameters of an 8-bit tensor: real = level * scale, level = integer - zero point.

    Attributes:
        scale: a float32 value.
        low, high: the levels that the tensor can have.
    """

    scale: float
    low: int
    high: int

    @staticmethod
    def of(scale: float, zero_point: int, qmin: int, qmax: int) -> "Border":
        """From the arguments of a quantize operator."""
        return Border(float(scale), qmin - zero_point, qmax - zero_point)

    @property
    def is_stored(self) -> bool:
        """Whether the levels are signed or unsigned integers of 8 bits, which the NPU stores."""
        return (self.low, self.high) in ((-128, 127), (0, 255))

    @property
    def largest(self) -> int:
        """The largest magnitude of a level."""
        return max(-self.low, self.high)


@dataclass(frozen=True, slots=True)
class Requantization:
    """What follows an accumulator, for each of its channels: int64 [channels] (or [1])."""

    bias: Integers
    multiplier: Integers
    shift: Integers


def requantization(read: Border, written: Border, scales: Floats, biases: Floats, bits: int) -> Requantization:
    """Bias, multiplier and shift of a layer with weights.

    Args:
        read, written: the tensors before and after.
        scales: float64 [out], of the weights; 0 marks a channel whose weights are all zero.
        biases: float64 [out], real numbers.
        bits: of the weights.

    Raises:
        NoLayer: a multiplier or shift is outside of what the NPU has.
    """
    empty = scales == 0
    steps = np.where(empty, written.scale, read.scale * scales)
    multiplier, shift = _factor(steps / written.scale, bits)
    half = np.where(shift > 0, np.ldexp(0.5, shift) / multiplier, 0.0)
    return Requantization(np.rint(biases / steps + half).astype(np.int64), multiplier, shift)


def average(read: Border, written: Border, count: int) -> Requantization:
    """The average of `count` levels, from their sum.

    Raises:
        NoLayer: a multiplier or shift is outside of what the NPU has.
    """
    multiplier, shift = _factor(np.array([read.scale / (written.scale * count)]), bits=0)
    half = np.where(shift > 0, np.ldexp(0.5, shift) / multiplier, 0.0)
    return Requantization(np.rint(half).astype(np.int64), multiplier, shift)


def _factor(ratio: Floats, bits: int) -> tuple[Integers, Integers]:
    """Multiplier and shift with multiplier / 2^shift nearest to `ratio`, and the multiplier's bits used up."""
    mantissa, exponent = np.frexp(ratio)
    if bits == WIDE_BITS:
        if bool((mantissa != 0.5).any()):
            raise NoLayer("8-bit weights need power-of-two scales of weights, input and output")
        multiplier, shift = np.ones(len(ratio), np.int64), 1 - exponent.astype(np.int64)
    else:
        shift = np.minimum(MULTIPLIER_MAX.bit_length() - exponent.astype(np.int64), SHIFT_MAX)
        multiplier = np.rint(np.ldexp(ratio, shift)).astype(np.int64)
        # Rounded up to the next power of two, it has one bit too many.
        high = multiplier > MULTIPLIER_MAX
        multiplier, shift = np.where(high, multiplier >> 1, multiplier), np.where(high, shift - 1, shift)
    if bool((shift < 0).any()):
        raise NoLayer("its accumulator counts in larger steps than its output, and the NPU shifts to the right only")
    if bool((shift > SHIFT_MAX).any() or (multiplier < 1).any()):
        raise NoLayer(f"its output counts in more than 2^{SHIFT_MAX} steps of its accumulator")
    return multiplier, shift

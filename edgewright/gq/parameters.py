"""Scale and zero point of an activation on its integer grid."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.config.schemes import ActivationScheme

_HALF_STEP = 0.5 + 1e-3
"""What rounding may move, in steps; the excess is for scales that are rounded to float32."""
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Affine quantization: real = (integer - zero_point) * scale.

    Attributes:
        scale: positive, a float32 value, because the runtimes compute with one.
        zero_point: an integer of the grid.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class ActivationGrid:
    """Signed integers of `bits` bits (8 or 16); a symmetric grid has the zero point 0.

    `power_of_two` restricts the scale to powers of two, so that a change of scale is a shift.
    """

    bits: int
    symmetric: bool
    power_of_two: bool = False

    @staticmethod
    def of(scheme: ActivationScheme) -> "ActivationGrid":
        """The grid that a scheme asks for."""
        return ActivationGrid(scheme.bits, scheme.symmetric, scheme.power_of_two)

    def __str__(self) -> str:
        return f"{self.dtype}{' symmetric' * self.symmetric}{' power-of-two' * self.power_of_two}"

    @property
    def qmin(self) -> int:
        """Smallest integer."""
        return -(1 << (self.bits - 1))

    @property
    def qmax(self) -> int:
        """Largest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def dtype(self) -> str:
        """Name of the integer type, `int8` or `int16`."""
        return f"int{self.bits}"

    def spanning(self, low: float, high: float) -> Parameters:
        """Parameters whose range holds 0 and reaches from `low` to `high` (Jacob et al. 2018, arXiv:1712.05877, 3).

        Zero is always an integer of the grid, so that zero padding and ReLU are exact. A range of zeros alone gets
        the scale 1. A scale that must be a power of two is the next one above.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            return Parameters(1.0, 0 if self.symmetric else self.qmin)
        width = max(-low, high) / self.qmax if self.symmetric else high / self._steps - low / self._steps
        width = max(width, _SMALLEST_SCALE)
        scale = 2.0 ** math.ceil(math.log2(width)) if self.power_of_two else float(np.float32(width))
        if self.symmetric:
            return Parameters(scale, 0)
        zero_point = round(self.qmin - low / scale)
        return Parameters(scale, min(max(zero_point, self.qmin), self.qmax))

    def limits(self, parameters: Parameters) -> tuple[float, float]:
        """The smallest and the largest real number that an integer of the grid stands for."""
        scale, zero_point = parameters.scale, parameters.zero_point
        return (self.qmin - zero_point) * scale, (self.qmax - zero_point) * scale

    def reach(self, parameters: Parameters) -> tuple[float, float]:
        """The numbers that are rounded and not clipped: half a step more than `limits` at either end."""
        low, high = self.limits(parameters)
        return low - _HALF_STEP * parameters.scale, high + _HALF_STEP * parameters.scale

    def rounded(self, values: NDArray[np.float64], parameters: Parameters) -> NDArray[np.float64]:
        """`values` quantized and dequantized."""
        levels = np.rint(values / parameters.scale) + parameters.zero_point
        rounded: NDArray[np.float64] = (
            np.clip(levels, self.qmin, self.qmax) - parameters.zero_point
        ) * parameters.scale
        return rounded

    @property
    def _steps(self) -> int:
        return self.qmax - self.qmin

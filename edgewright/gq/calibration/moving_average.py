"""The average of the extremes of single samples: a sample that reaches far out widens the range a little only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._counts import Counts
from edgewright.gq.parameters import ActivationGrid

_UNIT = 1 << 149
"""All float32 values are whole multiples of 1 / _UNIT."""
_BINS = 4096


@dataclass(frozen=True, slots=True)
class Method:
    """No options.

    The references (MovingAverageMinMaxObserver of PyTorch with averaging_constant 0.01, the moving average of
    TensorFlow's fake_quant; Jacob et al. 2018, arXiv:1712.05877, section 3.1) follow a running mean of the extremes of
    batches, `m += c (x - m)`: what came last counts most, the first batch more than any, and a larger batch has larger
    extremes, so the result depends on order and batch size. Here every sample has the same weight, `c = 1 / n`, and
    the sum is exact in integers: the mean of the minima and of the maxima of the samples, rounded once.
    """

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer()


class _Observer(Counts):
    def __init__(self) -> None:
        super().__init__(_BINS)
        self._samples = 0
        self._sums = (0, 0)
        self._joined: list[_Observer] = []

    def observe(self, values: NDArray[np.float32], low: float, high: float) -> None:
        super().observe(values, low, high)
        self._samples += 1
        self._sums = self._sums[0] + _exact(low), self._sums[1] + _exact(high)

    def join(self, other: Counts) -> None:
        super().join(other)
        assert isinstance(other, _Observer)
        self._joined.append(other)

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        # Each tensor has a mean of its own, so that a small one does not narrow the range of a large one.
        means = [self._mean, *(other.range(grid) for other in self._joined)]
        return min(low for low, _ in means), max(high for _, high in means)

    @property
    def _mean(self) -> tuple[float, float]:
        number = max(self._samples, 1) * _UNIT
        return self._sums[0] / number, self._sums[1] / number


def _exact(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * (_UNIT // denominator)

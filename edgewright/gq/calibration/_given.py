"""A range that was given: nothing is searched, what it would clip is counted."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.parameters import ActivationGrid, Parameters


class Given:
    """Counts the values that `parameters` of `grid` saturate."""

    def __init__(self, grid: ActivationGrid, parameters: Parameters) -> None:
        self.values = 0
        self._reach = grid.reach(parameters)
        self._limits = grid.limits(parameters)
        self._outside = 0

    def observe(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """Count those of `values` that lie outside."""
        self.values += values.size
        first, last = self._reach
        if low < first or high > last:
            self._outside += int(np.count_nonzero((values < first) | (values > last)))

    def join(self, other: Self) -> None:
        """Add what `other` counted."""
        self.values += other.values
        self._outside += other._outside

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """The smallest and the largest number that is reached."""
        return self._limits

    def outside(self, low: float, high: float) -> int:
        """What was counted."""
        return self._outside

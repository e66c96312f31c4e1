"""Exact minimum and maximum."""

from typing import Self

import numpy as np
from numpy.typing import NDArray


class Extremes:
    """The smallest and the largest value seen, and how many were."""

    def __init__(self) -> None:
        self.low = np.inf
        self.high = -np.inf
        self.values = 0

    def observe(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """Widen the range to `values`, whose extremes are `low` and `high`."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.values += values.size

    def join(self, other: Self) -> None:
        """Widen the range to that of `other`."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.values += other.values

    @property
    def whole(self) -> tuple[float, float]:
        """Minimum and maximum; 0 and 0 where nothing was seen."""
        return (self.low, self.high) if self.values else (0.0, 0.0)

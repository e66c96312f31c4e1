"""Exact minimum and maximum."""

import numpy as np
from numpy.typing import NDArray


class Extremes:
    """The smallest and the largest value seen; 0 and 0 before the first."""

    def __init__(self) -> None:
        self.low = np.inf
        self.high = -np.inf

    def observe(self, values: NDArray[np.float32]) -> None:
        """Widen the range to `values`."""
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))

    @property
    def range(self) -> tuple[float, float]:
        """Minimum and maximum."""
        return (self.low, self.high) if self.low <= self.high else (0.0, 0.0)

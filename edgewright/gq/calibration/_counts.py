"""A histogram over the exact range of a tensor, built in two passes: extremes, then integer counts on a fixed grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._extremes import Extremes

MAXIMUM_BINS = 1 << 20


def check_bins(bins: float) -> None:
    """Refuse a number of bins that is no whole number from 2 to 2^20.

    Raises:
        ValueError: it is not.
    """
    if bins != int(bins) or not 2 <= bins <= MAXIMUM_BINS:
        raise ValueError(f"bins: {bins:g} is not a whole number from 2 to {MAXIMUM_BINS}")


@dataclass(frozen=True, slots=True)
class Histogram:
    """What was counted.

    Attributes:
        low, high: exact extremes.
        counts: int64 [bins], values that are not zero, by equal parts of the range.
        zeros: values that are zero; they cost nothing on any grid, so they are kept apart.
    """

    low: float
    high: float
    counts: NDArray[np.int64]
    zeros: int

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of each bin, [bins]."""
        width = (self.high - self.low) / len(self.counts)
        middles: NDArray[np.float64] = self.low + (np.arange(len(self.counts)) + 0.5) * width
        return middles


class TwoPass:
    """The observer behind every method that needs a distribution."""

    def __init__(self, bins: int) -> None:
        self._extremes = Extremes()
        self._counts = np.zeros(bins, np.int64)
        self._zeros = 0

    def observe(self, values: NDArray[np.float32], turn: int) -> None:
        """Extremes in the first pass, counts in the second."""
        if turn == 0:
            self._extremes.observe(values)
            return
        low, high = self._extremes.range
        if low == high:
            return
        bins, width = len(self._counts), high - low
        # A range of almost nothing or of all numbers leaves float32 here.
        kind = np.float32 if max(bins / width, width) <= np.finfo(np.float32).max else np.float64
        start, factor = kind(low), kind(bins / width)
        places = (values.reshape(-1) - start) * factor
        self._counts += np.bincount(np.minimum(places.astype(np.intp), bins - 1), minlength=bins)
        zeros = values.size - int(np.count_nonzero(values))
        if zeros:
            self._counts[min(int((kind(0) - start) * factor), bins - 1)] -= zeros
            self._zeros += zeros

    @property
    def histogram(self) -> Histogram:
        """What was counted."""
        return Histogram(*self._extremes.range, self._counts, self._zeros)

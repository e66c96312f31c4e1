"""Integer counts on a grid that widens with the values: one pass, and the result of any order or split is the same."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._extremes import Extremes

MINIMUM_BINS = 16
MAXIMUM_BINS = 1 << 20
_FINEST = -126
"""Exponent of the finest width; its reciprocal is a float32."""


def check_bins(bins: float) -> None:
    """Refuse a number of bins that is no whole number from 16 to 2^20.

    Raises:
        ValueError: it is not.
    """
    if bins != int(bins) or not MINIMUM_BINS <= bins <= MAXIMUM_BINS:
        raise ValueError(f"bins: {bins:g} is not a whole number from {MINIMUM_BINS} to {MAXIMUM_BINS}")


@dataclass(frozen=True, slots=True)
class Histogram:
    """What was counted.

    Attributes:
        counts: int64 [bins], from the first to the last bin that holds a value; sums to the number of values.
        edges: float64 [bins + 1], ascending, inside of the exact extremes.
        centers: float64 [bins], the middle of each bin; that of the values nearest to zero is zero.
        low, high: exact extremes.
    """

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    centers: NDArray[np.float64]
    low: float
    high: float


class Counts(Extremes):
    """Counts values by the part of x / width before the point, the width a power of two.

    `bins` widths reach from zero to the value farthest from it. When a value lies beyond them the width is doubled and
    pairs of bins are put together. Scaling by a power of two is exact, and so the counts are those of the last width
    from the start: they depend on the values alone, not on their order.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self._bins = bins
        self._exponent = _FINEST
        # One bin holds what is less than a width from zero, on both sides.
        self._counts = np.zeros(2 * bins - 1, np.int64)

    def observe(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """Count `values`, whose extremes are `low` and `high`."""
        super().observe(values, low, high)
        self._widen(max(-low, high))
        places = (values.reshape(-1) * np.float32(2.0**-self._exponent)).astype(np.intp)
        places += self._bins - 1
        found = np.bincount(places)
        self._counts[: len(found)] += found

    def join(self, other: "Counts") -> None:
        """Add the counts of `other`."""
        super().join(other)
        self._widen(max(-other.low, other.high, 0.0))
        self._counts += _folded(other._counts, max(self._exponent - other._exponent, 0))

    @property
    def histogram(self) -> Histogram:
        """What was counted; at least one value was seen."""
        used = np.flatnonzero(self._counts)
        first, last = int(used[0]), int(used[-1]) + 1
        places = np.arange(first, last) - (self._bins - 1)
        width = 2.0**self._exponent
        edges = np.arange(first, last + 1) - float(self._bins)
        edges[edges >= 0] += 1
        return Histogram(
            counts=self._counts[first:last],
            edges=np.clip(edges * width, self.low, self.high),
            centers=np.clip((places + 0.5 * np.sign(places)) * width, self.low, self.high),
            low=self.low,
            high=self.high,
        )

    def outside(self, low: float, high: float) -> int:
        """How many values lie outside of `low` to `high`; a bin goes as its center does."""
        if not self.values or (low <= self.low and self.high <= high):
            return 0
        seen = self.histogram
        return int(seen.counts[(seen.centers < low) | (seen.centers > high)].sum())

    def _widen(self, reach: float) -> None:
        needed = math.frexp(reach / self._bins)[1] if reach else _FINEST
        if needed > self._exponent:
            self._counts = _folded(self._counts, needed - self._exponent)
            self._exponent = needed


def _folded(counts: NDArray[np.int64], doublings: int) -> NDArray[np.int64]:
    used = np.flatnonzero(counts)
    if not doublings or not used.size:
        return counts
    middle = len(counts) // 2
    places = used - middle
    # More doublings than an index has bits leave zero.
    moved = np.sign(places) * (np.abs(places) >> min(doublings, 62))
    folded = np.zeros_like(counts)
    np.add.at(folded, moved + middle, counts[used])
    return folded

"""Histograms of two tensors over one range, in two passes: the extremes, then the counts."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 32

_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Histograms:
    """Counts of the reference and of the other tensor in `BINS` bins of equal width from `low` to `high`."""

    low: float
    high: float
    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(slots=True)
class HistogramPair:
    """Counts two tensors; values that are not finite are left out.

    All values are shown to `look` before the first one is shown to `count`.
    """

    low: float = np.inf
    high: float = -np.inf
    _counts: list[NDArray[np.int64]] = field(default_factory=lambda: [np.zeros(BINS, np.int64) for _ in range(2)])

    def look(self, *arrays: NDArray[Any]) -> None:
        """Widen the range to hold the arrays."""
        for array in arrays:
            finite = array[np.isfinite(array)]
            if finite.size:
                self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))

    def count(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """Count one batch of the reference and of the other."""
        if not np.isfinite(self.low):
            return
        for counts, array in zip(self._counts, (first, second), strict=True):
            finite = array[np.isfinite(array)].astype(np.float64)
            counts += np.histogram(finite, BINS, (self.low, self.high))[0]

    def result(self) -> Histograms | None:
        """The counts; None where no value was finite."""
        if not np.isfinite(self.low):
            return None
        first, second = (tuple(int(count) for count in counts) for counts in self._counts)
        return Histograms(self.low, self.high, first, second)


def sparkline(counts: tuple[int, ...]) -> str:
    """One character a bin, its height by the square root of the count: tails stay visible; blank is an empty bin."""
    top = max(counts)
    if not top:
        return " " * len(counts)
    heights = np.ceil(np.sqrt(np.array(counts) / top) * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[height] for height in heights)

"""Clip the tails: as small a share of the values is left outside the range at either end."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgewright.gq.calibration._counts import TwoPass, check_bins
from edgewright.gq.parameters import ActivationGrid

_ALL = 100.0


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        percentile: share of the values, in percent, that lie below the upper end, and above the lower end.
        bins: resolution of the histogram that it is read from.
    """

    passes: ClassVar[int] = 2
    percentile: float = 99.999
    bins: int = 8192

    def __post_init__(self) -> None:
        if not _ALL / 2 < self.percentile <= _ALL:
            raise ValueError(f"percentile: {self.percentile:g} is not above 50 and up to 100")
        check_bins(self.bins)

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer(self.percentile, int(self.bins))


class _Observer(TwoPass):
    def __init__(self, percentile: float, bins: int) -> None:
        super().__init__(bins)
        self._percentile = percentile

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        seen = self.histogram
        if seen.low == seen.high:
            return seen.low, seen.high
        edges = np.linspace(seen.low, seen.high, len(seen.counts) + 1)
        counts = seen.counts.copy()
        # Zeros stand where a bin holds them; beyond the extremes they extend the range to zero anyway.
        if seen.low <= 0 <= seen.high:
            counts[min(int(np.searchsorted(edges, 0.0, side="right")) - 1, len(counts) - 1)] += seen.zeros
        allowed = counts.sum() * (1 - self._percentile / _ALL)
        below, above = np.cumsum(counts), np.cumsum(counts[::-1])
        first = int(np.searchsorted(below, allowed, side="right"))
        last = int(np.searchsorted(above, allowed, side="right"))
        return float(edges[first]), float(edges[len(counts) - last])

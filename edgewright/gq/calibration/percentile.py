"""Clip the tails: as small a share of the values is left outside the range at either end."""

from dataclasses import dataclass

import numpy as np

from edgewright.gq.calibration._counts import Counts, check_bins
from edgewright.gq.parameters import ActivationGrid

_ALL = 100.0


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        percentile: share of the values, in percent, that lie below the upper end, and above the lower end.
        bins: resolution of the histogram that it is read from; they reach from zero to the farthest value.
    """

    percentile: float = 99.999
    bins: int = 8192

    def __post_init__(self) -> None:
        if not _ALL / 2 < self.percentile <= _ALL:
            raise ValueError(f"percentile: {self.percentile:g} is not above 50 and up to 100")
        check_bins(self.bins)

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer(self.percentile, int(self.bins))


class _Observer(Counts):
    def __init__(self, percentile: float, bins: int) -> None:
        super().__init__(bins)
        self._percentile = percentile

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        if self.low >= self.high:
            return self.whole
        seen = self.histogram
        allowed = self.values * (1 - self._percentile / _ALL)
        below, above = np.cumsum(seen.counts), np.cumsum(seen.counts[::-1])
        first = int(np.searchsorted(below, allowed, side="right"))
        last = int(np.searchsorted(above, allowed, side="right"))
        return float(seen.edges[first]), float(seen.edges[len(seen.counts) - last])

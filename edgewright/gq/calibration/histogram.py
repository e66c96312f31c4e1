"""The range with the least mean rounding and clipping error on the sample, found on a histogram."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._counts import Histogram, TwoPass, check_bins
from edgewright.gq.parameters import ActivationGrid

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        bins: resolution of the histogram.
        candidates: ranges tried at either end, in equal steps from the whole range inwards.
        smallest: the smallest share of the range that is tried.
        power: exponent of the error |x - q|, 2 for the squared error; a larger one weighs clipped values more.
            The default had the least logit MSE in cross-validation on calibration images (docs/gq.md).
    """

    passes: ClassVar[int] = 2
    bins: int = 4096
    candidates: int = 96
    smallest: float = 0.25
    power: float = 2.5

    def __post_init__(self) -> None:
        check_bins(self.bins)
        if self.candidates != int(self.candidates) or self.candidates < 1:
            raise ValueError(f"candidates: {self.candidates:g} is not a whole number from 1")
        if not 0 < self.smallest <= 1:
            raise ValueError(f"smallest: {self.smallest:g} is not above 0 and up to 1")
        if not self.power > 0:
            raise ValueError(f"power: {self.power:g} is not above 0")

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer(self)


class _Observer(TwoPass):
    def __init__(self, method: Method) -> None:
        super().__init__(int(method.bins))
        self._method = method

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """Search one end at a time, the other held, until neither moves; the whole range is tried first."""
        seen = self.histogram
        low, high = min(seen.low, 0.0), max(seen.high, 0.0)
        if seen.low == seen.high:
            return low, high
        search = _Search(seen, grid, self._method.power)
        shares = np.linspace(1.0, self._method.smallest, int(self._method.candidates) + 1)
        if grid.symmetric:
            reach = max(-low, high)
            return search.best([(-reach * share, reach * share) for share in shares])
        best = (low, high)
        for _ in range(_ROUNDS):
            start = best
            if high > 0:
                best = search.best([best, *((best[0], high * share) for share in shares)])
            if low < 0:
                best = search.best([best, *((low * share, best[1]) for share in shares)])
            if best == start:
                break
        return best


class _Search:
    """Expected error of a range on what was counted."""

    def __init__(self, seen: Histogram, grid: ActivationGrid, power: float) -> None:
        used = seen.counts > 0
        self._centers: NDArray[np.float64] = seen.centers[used]
        self._counts: NDArray[np.float64] = seen.counts[used].astype(np.float64)
        self._grid = grid
        self._power = power

    def best(self, ranges: list[tuple[float, float]]) -> tuple[float, float]:
        """The first of `ranges` with the least error."""
        return min(ranges, key=self._error)

    def _error(self, ends: tuple[float, float]) -> float:
        parameters = self._grid.spanning(*ends)
        differences = np.abs(self._grid.rounded(self._centers, parameters) - self._centers)
        # A sum in a fixed order, because numpy's dot product is split by threads.
        return float((differences**self._power * self._counts).sum())

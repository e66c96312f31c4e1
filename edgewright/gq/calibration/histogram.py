"""The range with the least mean rounding and clipping error on the sample, found on a histogram."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._counts import Counts, Histogram, check_bins
from edgewright.gq.parameters import ActivationGrid

_ROUNDS = 3
_HALF = 0.5
_PRODUCTS = 8


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        bins: resolution of the histogram; they reach from zero to the farthest value.
        candidates: ranges tried at either end, in equal steps from the whole range inwards.
        smallest: the smallest share of the range that is tried.
        power: exponent of the error |x - q|, 2 for the squared error; a larger one weighs clipped values more.
            The default had the least logit MSE in cross-validation on calibration images (docs/gq.md).
    """

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


class _Observer(Counts):
    def __init__(self, method: Method) -> None:
        super().__init__(int(method.bins))
        self._method = method

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """Search one end at a time, the other held, until neither moves; the whole range is tried first."""
        low, high = min(self.whole[0], 0.0), max(self.whole[1], 0.0)
        if self.low >= self.high:
            return low, high
        search = _Search(self.histogram, grid, self._method.power)
        shares = np.linspace(1.0, self._method.smallest, int(self._method.candidates) + 1).tolist()
        if grid.symmetric:
            reach = max(-low, high)
            return search.best((-reach * share, reach * share) for share in shares)
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
        self._steps = np.empty_like(self._centers)
        self._levels = np.empty_like(self._centers)
        self._grid = grid
        self._power = power
        self._known: dict[tuple[float, float], float] = {}

    def best(self, ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
        """The first of `ranges` with the least error."""
        return min(ranges, key=self._error)

    def _error(self, ends: tuple[float, float]) -> float:
        if ends not in self._known:
            self._known[ends] = self._computed(ends)
        return self._known[ends]

    def _computed(self, ends: tuple[float, float]) -> float:
        parameters = self._grid.spanning(*ends)
        steps, levels = self._steps, self._levels
        np.divide(self._centers, parameters.scale, out=steps)
        np.rint(steps, out=levels)
        zero_point = parameters.zero_point
        np.clip(levels, self._grid.qmin - zero_point, self._grid.qmax - zero_point, out=levels)
        np.subtract(steps, levels, out=steps)
        np.abs(steps, out=steps)
        powers = _raised(steps, self._power, levels)
        np.multiply(powers, self._counts, out=powers)
        # A sum in a fixed order, because numpy's dot product is split by threads.
        return float(powers.sum() * parameters.scale**self._power)


def _raised(base: NDArray[np.float64], exponent: float, out: NDArray[np.float64]) -> NDArray[np.float64]:
    """base ** exponent, in products and a square root where they are enough: np.power takes ten times as long."""
    if exponent > _PRODUCTS or exponent % 1 not in (0, _HALF):
        return np.power(base, exponent, out=out)
    if exponent % 1:
        np.sqrt(base, out=out)
    else:
        out.fill(1.0)
    for _ in range(int(exponent)):
        np.multiply(out, base, out=out)
    return out

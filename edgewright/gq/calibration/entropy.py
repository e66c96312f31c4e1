"""The range whose integers tell most of the distribution: the least Kullback-Leibler divergence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._counts import Counts, Histogram, check_bins
from edgewright.gq.parameters import ActivationGrid

_ROUNDS = 3
_SMOOTHED = 1e-4
"""Values that an integer counts in Q which has none but those from outside, as in MXNet."""


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        bins: resolution of the histogram; they reach from zero to the farthest value.
        candidates: ranges tried at either end, in equal steps from the whole range inwards.
        smallest: the smallest share of the range that is tried.
    """

    bins: int = 4096
    candidates: int = 128
    smallest: float = 0.0625

    def __post_init__(self) -> None:
        check_bins(self.bins)
        if self.candidates != int(self.candidates) or self.candidates < 1:
            raise ValueError(f"candidates: {self.candidates:g} is not a whole number from 1")
        if not 0 < self.smallest <= 1:
            raise ValueError(f"smallest: {self.smallest:g} is not above 0 and up to 1")

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer(self)


class _Observer(Counts):
    """Migacz 2017, "8-bit inference with TensorRT", as MXNet and ONNX Runtime have it, on the integers of the grid.

    P is the histogram inside of the range, what lies outside added to its first and last bin. Q gives each integer
    the mass of the bins that are rounded to it, without what lies outside, spread evenly over those that hold
    something. The references try symmetric ranges with 128 integers; here the integers are those of the grid,
    zero point and power of two included, so that asymmetric ranges are searched at either end. ONNX Runtime counts in
    as many bins as it has integers, so that any clipping looks like a loss: it always answers the whole range.
    """

    def __init__(self, method: Method) -> None:
        super().__init__(int(method.bins))
        self._method = method

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """Search one end at a time, the other held, until neither moves; a tie goes to the wider range."""
        low, high = min(self.whole[0], 0.0), max(self.whole[1], 0.0)
        if self.low >= self.high:
            return low, high
        divergence = _Divergence(self.histogram, grid)
        shares = np.linspace(1.0, self._method.smallest, int(self._method.candidates) + 1)
        # Integers that are finer than the bins lose nothing that the histogram could show.
        if grid.spanning(low, high).scale <= divergence.finest:
            return low, high
        if grid.symmetric:
            reach = max(-low, high)
            return divergence.best(-reach * shares, reach * shares)
        best = (low, high)
        for _ in range(_ROUNDS):
            start = best
            if high > 0:
                best = divergence.best(np.full_like(shares, best[0]), high * shares)
            if low < 0:
                best = divergence.best(low * shares, np.full_like(shares, best[1]))
            if best == start or not low < 0 < high:
                break
        return best


class _Divergence:
    """KL(P || Q) of many ranges at once, from running sums over the bins."""

    def __init__(self, seen: Histogram, grid: ActivationGrid) -> None:
        self._grid = grid
        self._centers = seen.centers
        counts = seen.counts.astype(np.float64)
        # Zeros cost nothing on any grid, and after a ReLU they would outweigh all else: the bin of what is next to zero
        # counts as much as its neighbours, as in TensorRT's calibrator.
        around = np.flatnonzero(seen.centers == 0)
        for place in around:
            sides = counts[max(place - 1, 0) : place + 2]
            counts[place] = min(counts[place], sides.sum() - counts[place])
        self._masses = _running(counts)
        self._filled = _running((counts > 0).astype(np.float64))
        self._information = _running(_information(counts))
        self.finest = float(np.diff(seen.edges).max())
        """Width of a bin."""

    def best(self, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> tuple[float, float]:
        """The first of the ranges with the least divergence."""
        index = int(np.argmin(self._of(lows, highs)))
        return float(lows[index]), float(highs[index])

    def _of(self, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Divergences of ranges, [ranges]; infinite where nothing lies inside."""
        found = [self._grid.spanning(low, high) for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]
        scales = np.array([parameters.scale for parameters in found])
        zero_points = np.array([parameters.zero_point for parameters in found])
        borders = np.arange(self._grid.qmin, self._grid.qmax + 2) - 0.5
        # Bins that are rounded to an integer lie between two borders; [ranges, integers + 1].
        places = np.searchsorted(self._centers, (borders - zero_points[:, None]) * scales[:, None])
        is_filled = places[:, 0] < places[:, -1]
        first = np.minimum(places[:, 0], len(self._centers) - 1)
        last = np.maximum(places[:, -1] - 1, first)
        masses, filled = np.diff(self._masses[places], axis=1), np.diff(self._filled[places], axis=1)
        total, inside = self._masses[-1], masses.sum(1)
        below, above = self._masses[first], total - self._masses[last + 1]
        # The first and the last bin take what lies outside; one that was empty now holds something.
        rows, is_one = np.arange(len(lows)), first == last
        lowest, highest = ((places <= bins[:, None]).sum(1).clip(1, len(borders) - 1) - 1 for bins in (first, last))
        ends = self._masses[first + 1] - below, self._masses[last + 1] - self._masses[last]
        reference = masses.copy()
        reference[rows, lowest] += below
        reference[rows, highest] += above
        filled[rows, lowest] += (ends[0] == 0) & (below > 0)
        filled[rows, highest] += (ends[1] == 0) & (above > 0) & ~(is_one & (below > 0))
        information = self._information[last + 1] - self._information[first]
        one = _information(ends[0] + below + above) - _information(ends[0])
        two = _information(ends[0] + below) - _information(ends[0]) + _information(ends[1] + above)
        information += np.where(is_one, one, two - _information(ends[1]))
        spread = np.log(np.maximum(masses, _SMOOTHED) / np.maximum(filled, 1.0))
        divergence = (information - (reference * spread).sum(1)) / total - np.log(total / np.maximum(inside, 1.0))
        result: NDArray[np.float64] = np.where(is_filled & (inside > 0), divergence, np.inf)
        return result


def _running(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(values)])


def _information(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """n log n, 0 at 0."""
    information: NDArray[np.float64] = counts * np.log(np.maximum(counts, 1.0))
    return information

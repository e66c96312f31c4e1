"""How far two tensors are apart: SNR, cosine, mean squared and largest error, over any number of batches."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST_DB = 999.0
"""Bound of an SNR in dB on either side of 0, so that it stays a number of JSON."""


@dataclass(slots=True)
class Sums:
    """Running sums over pairs of a reference x and what stands for it, q; float64.

    An entry that is not finite on either side counts in `not_finite` unless both are equal there, and nowhere else.
    """

    values: int = 0
    reference: float = 0.0
    other: float = 0.0
    product: float = 0.0
    error: float = 0.0
    largest: float = 0.0
    not_finite: int = 0

    def add(self, reference: NDArray[Any], other: NDArray[Any]) -> None:
        """Take in one batch: two arrays of one shape."""
        first, second = reference.astype(np.float64).ravel(), other.astype(np.float64).ravel()
        finite = np.isfinite(first) & np.isfinite(second)
        if not finite.all():
            equal = (first == second) | (np.isnan(first) & np.isnan(second))
            self.not_finite += int(np.count_nonzero(~finite & ~equal))
            first, second = first[finite], second[finite]
        if not first.size:
            return
        difference = first - second
        self.values += first.size
        # Not as dot products: what sums those up depends on the machine.
        self.reference += float((first * first).sum())
        self.other += float((second * second).sum())
        self.product += float((first * second).sum())
        self.error += float((difference * difference).sum())
        self.largest = max(self.largest, float(np.abs(difference).max()))

    def figures(self) -> "Figures":
        """The figures over everything seen so far."""
        snr = None
        if self.error:
            ratio = self.reference / self.error
            snr = max(min(10 * math.log10(ratio), LOWEST_DB), -LOWEST_DB) if ratio else -LOWEST_DB
        norms = math.sqrt(self.reference * self.other)
        cosine = self.product / norms if norms else float(self.reference == self.other)
        mse = self.error / max(self.values, 1)
        return Figures(snr, min(cosine, 1.0), mse, self.largest, self.not_finite)


@dataclass(frozen=True, slots=True)
class Figures:
    """A tensor q against its reference x.

    Attributes:
        snr_db: 10 log10(sum x^2 / sum (x - q)^2); None where nothing differs.
        cosine: sum x q / (|x| |q|); 1 where both are zero.
        mse: mean of (x - q)^2.
        max_error: largest |x - q|.
        not_finite: entries that are NaN or infinite on one side and not equal on the other; in no other figure.
    """

    snr_db: float | None
    cosine: float
    mse: float
    max_error: float
    not_finite: int

    @property
    def rank(self) -> tuple[float, float]:
        """Sorts the worst first: what is not finite, then the lowest SNR; what is equal comes last."""
        return -float(self.not_finite), math.inf if self.snr_db is None else self.snr_db

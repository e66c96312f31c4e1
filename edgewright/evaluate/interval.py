"""The paired interval of a difference in top-1: is a drop more than the noise of the sample?"""

import math
from dataclasses import dataclass

import numpy as np

from edgewright.evaluate.metric import Array, rows

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """Difference of top-1 to the float model in points (negative: worse), with its 95 % interval."""

    difference: float
    low: float
    high: float
    samples: int


class PairedTop1:
    """Counts the samples on which exactly one of the two models is right, and gives the interval.

    With b samples that only the float model has right, c that only the other has, and n in all, half a
    sample is added to each of the four cells of the table, so that n' = n + 2, and
    `(c - b)/n' +- 1.96 * sqrt(b + c + 1 - (c - b)^2 / n') / n'`. Closed form, and of positive width even
    where the models never differ. Source: Agresti, Min, "Simple improved confidence intervals for
    comparing matched proportions", Statistics in Medicine 24, 2005. The difference itself is `(c - b)/n`.
    """

    def __init__(self) -> None:
        self._lost = 0
        self._won = 0
        self._reference_correct = 0
        self._samples = 0

    def update(self, logits: Array, reference: Array, labels: Array) -> None:
        """Take in one batch: logits and the float model's logits [N, classes], labels int64 [N]."""
        right = rows(logits).argmax(axis=-1) == labels
        reference_right = rows(reference).argmax(axis=-1) == labels
        self._lost += int(np.count_nonzero(reference_right & ~right))
        self._won += int(np.count_nonzero(right & ~reference_right))
        self._reference_correct += int(np.count_nonzero(reference_right))
        self._samples += len(right)

    @property
    def reference_top1(self) -> float:
        """Top-1 of the float model on the samples seen, in percent."""
        return 100.0 * self._reference_correct / self._samples

    def compute(self) -> Interval:
        """The interval over everything seen so far."""
        change = self._won - self._lost
        adjusted = self._samples + 2
        center = change / adjusted
        spread = _Z * math.sqrt(self._lost + self._won + 1 - change**2 / adjusted) / adjusted
        low, high = max(center - spread, -1.0), min(center + spread, 1.0)
        return Interval(100.0 * change / self._samples, 100.0 * low, 100.0 * high, self._samples)

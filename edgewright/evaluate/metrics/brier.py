"""Brier score."""

import numpy as np

from edgewright.evaluate.metric import Array, BaseMetric, given, log_softmax, ratio, rows


class Metric(BaseMetric):
    """`1/N * sum_i sum_c (p_ic - [c = y_i])^2` of the softmax probabilities p; between 0 and 2.

    Source: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review
    78, 1950, equation 2.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "lower"

    def __init__(self) -> None:
        self._squared = 0.0
        self._samples = 0

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        error = np.exp(log_softmax(rows(logits)))
        error[np.arange(len(error)), given(labels)] -= 1.0
        self._squared += float((error * error).sum())
        self._samples += len(error)

    def compute(self) -> float:
        return ratio(self._squared, self._samples)

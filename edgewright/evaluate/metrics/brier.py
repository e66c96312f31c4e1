"""Brier score."""

import numpy as np

from edgewright.evaluate.metric import Array, MeanMetric, given, log_softmax, rows


class Metric(MeanMetric):
    """`1/N * sum_i sum_c (p_ic - [c = y_i])^2` of the softmax probabilities p; between 0 and 2.

    Source: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review
    78, 1950, equation 2.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "lower"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        error = np.exp(log_softmax(rows(logits)))
        error[np.arange(len(error)), given(labels)] -= 1.0
        figures: Array = (error * error).sum(axis=-1)
        return figures

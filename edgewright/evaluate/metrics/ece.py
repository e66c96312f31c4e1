"""Expected calibration error."""

import numpy as np

from edgewright.evaluate.metric import Array, BaseMetric, given, log_softmax, rows

_BINS = 15


class Metric(BaseMetric):
    """`sum_b n_b/N * |accuracy(b) - confidence(b)|` over 15 bins of equal width, `((b-1)/15, b/15]`.

    Confidence is the largest softmax probability. Source: Guo, Pleiss, Sun, Weinberger, "On Calibration
    of Modern Neural Networks", ICML 2017, equation 5. Between 0 and 1.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "lower"

    def __init__(self) -> None:
        self._gap = np.zeros(_BINS)
        self._samples = 0

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        probabilities = np.exp(log_softmax(rows(logits)))
        confidence = probabilities.max(axis=-1)
        correct = probabilities.argmax(axis=-1) == given(labels)
        bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
        self._gap += np.bincount(bins, weights=correct - confidence, minlength=_BINS)
        self._samples += len(confidence)

    def compute(self) -> float:
        return float(np.abs(self._gap).sum() / self._samples) if self._samples else float("nan")

"""Top-5 accuracy."""

import numpy as np

from edgewright.evaluate.metric import Array, BaseMetric, given, ratio, rows


class Metric(BaseMetric):
    """`100 / N * sum_i [y_i is among the five largest of z_i]` in percent.

    Of equal logits the lower class ranks first, as in top-1. With five classes or fewer it is 100.
    Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "higher"
    unit = "%"

    def __init__(self) -> None:
        self._correct = 0
        self._samples = 0

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        scores = rows(logits)
        largest = np.argsort(-scores, axis=-1, kind="stable")[:, :5]
        self._correct += int(np.count_nonzero((largest == given(labels)[:, None]).any(axis=-1)))
        self._samples += len(scores)

    def compute(self) -> float:
        return ratio(100.0 * self._correct, self._samples)

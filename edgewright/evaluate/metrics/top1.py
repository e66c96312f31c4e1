"""Top-1 accuracy."""

import numpy as np

from edgewright.evaluate.metric import Array, BaseMetric, given, ratio, rows


class Metric(BaseMetric):
    """`100 / N * sum_i [argmax_c z_ic = y_i]` in percent; of equal logits the lowest class counts.

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
        predicted = rows(logits).argmax(axis=-1)
        self._correct += int(np.count_nonzero(predicted == given(labels)))
        self._samples += len(predicted)

    def compute(self) -> float:
        return ratio(100.0 * self._correct, self._samples)

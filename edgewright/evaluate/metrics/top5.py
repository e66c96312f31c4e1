"""Top-5 accuracy."""

import numpy as np

from edgewright.evaluate.metric import Array, MeanMetric, given, rows


class Metric(MeanMetric):
    """`100 / N * sum_i [y_i is among the five largest of z_i]` in percent.

    Of equal logits the lower class ranks first, as in top-1. With five classes or fewer it is 100.
    Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "higher"
    unit = "%"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        largest = np.argsort(-rows(logits), axis=-1, kind="stable")[:, :5]
        figures: Array = 100.0 * (largest == given(labels)[:, None]).any(axis=-1)
        return figures

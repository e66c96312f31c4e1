"""Top-1 accuracy."""

from edgewright.evaluate.metric import Array, MeanMetric, given, rows


class Metric(MeanMetric):
    """`100 / N * sum_i [argmax_c z_ic = y_i]` in percent; of equal logits the lowest class counts.

    Source: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
    """

    tasks = frozenset({"image-classification"})
    needs_labels = True
    better = "higher"
    unit = "%"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        figures: Array = 100.0 * (rows(logits).argmax(axis=-1) == given(labels))
        return figures

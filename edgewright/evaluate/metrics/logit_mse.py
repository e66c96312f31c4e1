"""Squared distance of the logits to those of the float model."""

from edgewright.evaluate.metric import Array, MeanMetric, given, rows


class Metric(MeanMetric):
    """`1/N * sum_i ||z_i - r_i||_2^2`: mean over samples of the squared L2 distance between logit vectors.

    It sums over the classes and is not divided by their number. For a language model a sample is a
    position. It ranks quantization methods where top-1 is too coarse to.
    """

    tasks = frozenset({"language-modeling", "image-classification", "regression"})
    needs_reference = True
    better = "lower"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        error = rows(logits) - rows(given(reference))
        figures: Array = (error * error).sum(axis=-1)
        return figures

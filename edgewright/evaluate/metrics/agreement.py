"""How often the predicted class, or next token, is the float model's."""

from edgewright.evaluate.metric import Array, MeanMetric, given, rows


class Metric(MeanMetric):
    """`100 / N * sum_i [argmax z_i = argmax r_i]` in percent; a sample is a position for a language model.

    Needs no labels. One minus it is the rate of flips of Dutta et al., "Accuracy is Not All You Need",
    NeurIPS 2024.
    """

    tasks = frozenset({"language-modeling", "image-classification"})
    needs_reference = True
    better = "higher"
    unit = "%"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        figures: Array = 100.0 * (rows(logits).argmax(axis=-1) == rows(given(reference)).argmax(axis=-1))
        return figures

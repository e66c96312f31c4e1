"""How often the predicted class, or next token, is the float model's."""

import numpy as np

from edgewright.evaluate.metric import Array, BaseMetric, given, ratio, rows


class Metric(BaseMetric):
    """`100 / N * sum_i [argmax z_i = argmax r_i]` in percent; a sample is a position for a language model.

    Needs no labels. One minus it is the rate of flips of Dutta et al., "Accuracy is Not All You Need",
    NeurIPS 2024.
    """

    tasks = frozenset({"language-modeling", "image-classification"})
    needs_reference = True
    better = "higher"
    unit = "%"

    def __init__(self) -> None:
        self._equal = 0
        self._samples = 0

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        predicted = rows(logits).argmax(axis=-1)
        expected = rows(given(reference)).argmax(axis=-1)
        self._equal += int(np.count_nonzero(predicted == expected))
        self._samples += len(predicted)

    def compute(self) -> float:
        return ratio(100.0 * self._equal, self._samples)

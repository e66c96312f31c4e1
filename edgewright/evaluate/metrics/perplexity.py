"""Perplexity of a language model: exp of the mean negative log-likelihood of the next token."""

import math

import numpy as np

from edgewright.evaluate.metric import Array, MeanMetric, log_sum_exp, rows


class Metric(MeanMetric):
    r"""`exp(-1/M * sum_w sum_{t>=1} log p(x_t | x_<t))` over windows w scored each on its own.

    The first token of a window is not predicted, so a window of T tokens gives T - 1 predictions and M
    is their number. Natural logarithm, summed in float64. Source: Jelinek, Mercer, Bahl, Baker,
    "Perplexity, a measure of the difficulty of speech recognition tasks", J. Acoust. Soc. Am. 62, 1977.
    """

    tasks = frozenset({"language-modeling"})
    better = "lower"

    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        targets = inputs[0][:, 1:].reshape(-1)
        scores = rows(logits[:, :-1])
        figures: Array = log_sum_exp(scores) - scores[np.arange(len(targets)), targets]
        return figures

    def compute(self) -> float:
        try:
            return math.exp(super().compute())
        except OverflowError:
            return math.inf

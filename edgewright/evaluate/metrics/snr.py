"""Signal-to-noise ratio of the logits, the float model's being the signal."""

import math

from edgewright.evaluate.metric import Array, BaseMetric, given, rows


class Metric(BaseMetric):
    """`10 log10(sum r^2 / sum (z - r)^2)` in dB, both sums over all samples and classes.

    Infinite where the logits are equal. Also called SQNR where the noise is quantization's: Gray and
    Neuhoff, "Quantization", IEEE Transactions on Information Theory 44, 1998.
    """

    tasks = frozenset({"language-modeling", "image-classification", "regression"})
    needs_reference = True
    better = "higher"
    unit = "dB"

    def __init__(self) -> None:
        self._signal = 0.0
        self._noise = 0.0
        self._seen = False

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        signal = rows(given(reference))
        noise = rows(logits) - signal
        self._signal += float((signal * signal).sum())
        self._noise += float((noise * noise).sum())
        self._seen = True

    def compute(self) -> float:
        if not self._seen:
            return math.nan
        if self._noise == 0.0:
            return math.inf
        return 10.0 * math.log10(self._signal / self._noise) if self._signal else -math.inf

"""The contract of a metric: a streaming accumulator over batches of logits.

A metric is a file of `edgewright/evaluate/metrics/`, named as the file, exposing one subclass called
`Metric`; adding the file adds the metric to every evaluation of the tasks it declares.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from edgewright import registry

Array = npt.NDArray[np.generic]
Float64 = npt.NDArray[np.float64]
Better = Literal["lower", "higher"]

PACKAGE = "edgewright.evaluate.metrics"
PRIMARY = {"language-modeling": "perplexity", "image-classification": "top1", "regression": "logit_mse"}
"""Task -> the metric that a variant is judged by."""


class BaseMetric(ABC):
    """Accumulates one figure over batches; holds sums only, never the logits.

    `tasks`: the tasks it applies to. `needs_labels`, `needs_reference`: what `update` must be given
    besides the logits (the inputs are always given). `better`: which direction is better. `unit`: "%",
    "dB" or "".
    """

    tasks: ClassVar[frozenset[str]]
    needs_labels: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = False
    better: ClassVar[Better]
    unit: ClassVar[str] = ""

    @abstractmethod
    def update(
        self,
        logits: Array,
        *,
        reference: Array | None,
        labels: Array | None,
        inputs: tuple[Array, ...],
    ) -> None:
        """Take in one batch.

        Args:
            logits: float [N, classes], or [N, positions, vocabulary] for a language model.
            reference: the float model's logits, of the same shape; None unless `needs_reference`.
            labels: int64 [N]; None unless `needs_labels`.
            inputs: the model's inputs, each [N, ...].
        """

    @abstractmethod
    def compute(self) -> float:
        """The figure over everything seen so far; may be infinite, nan before the first update."""


class MeanMetric(BaseMetric):
    """The mean of one figure a sample; a position of a language model is a sample."""

    def __init__(self) -> None:
        self._total = 0.0
        self._samples = 0

    @abstractmethod
    def each(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> Array:
        """The figure of each sample of a batch, [samples]; arguments as of `update`."""

    def update(
        self, logits: Array, *, reference: Array | None, labels: Array | None, inputs: tuple[Array, ...]
    ) -> None:
        figures = self.each(logits, reference=reference, labels=labels, inputs=inputs)
        self._total += float(figures.sum())
        self._samples += len(figures)

    def compute(self) -> float:
        return self._total / self._samples if self._samples else float("nan")


def given(value: Array | None) -> Array:
    """`value`, which the caller has promised to be there.

    Raises:
        ValueError: it is None.
    """
    if value is None:
        raise ValueError("the metric needs labels or reference logits that were not given")
    return value


def rows(logits: Array) -> Float64:
    """Logits as float64 [rows, last dimension]: one row a sample, or a position of a language model."""
    return logits.reshape(-1, logits.shape[-1]).astype(np.float64)


def log_sum_exp(logits: Float64) -> Float64:
    """Logarithm of the sum of exponentials over the last dimension, float64 [rows]."""
    largest = logits.max(axis=-1)
    return cast(Float64, largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1)))


def log_softmax(logits: Float64) -> Float64:
    """Logarithm of the softmax over the last dimension, float64 [rows, classes]."""
    return cast(Float64, logits - log_sum_exp(logits)[:, None])


def metric_class(name: str) -> type[BaseMetric]:
    """The metric called `name` (`logit_mse` and `logit-mse` are the same name).

    Raises:
        ConfigError: there is no such metric.
    """
    return cast(type[BaseMetric], registry.load(PACKAGE, name.replace("_", "-")).Metric)


def for_task(task: str) -> dict[str, type[BaseMetric]]:
    """Metrics that apply to `task`, by name, sorted."""
    every = {name.replace("-", "_"): metric_class(name) for name in registry.names(PACKAGE)}
    return {name: metric for name, metric in every.items() if task in metric.tasks}

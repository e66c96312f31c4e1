"""The task's metric as a search sees it: how much of it is lost."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgewright.errors import InputError
from edgewright.evaluate.metric import PRIMARY, metric_class

if TYPE_CHECKING:
    from edgewright.config.sources import Task
    from edgewright.datasets.sample import Sample

Logits = Sequence[NDArray[Any]]


def judge(sample: "Sample", task: "Task") -> Callable[[Logits, Logits], float]:
    """A function from logits, and those of the float program, to the points of the task's metric that are lost.

    Positive is worse. Both lists hold the logits of `sample` in its order, batch by batch in batches of any size; the
    last batch may be longer than what is left of the sample, which does not count.

    Raises:
        InputError: the metric needs labels, and the sample has none.
    """
    name = PRIMARY[task]
    kind = metric_class(name)
    if kind.needs_labels and sample.labels is None:
        raise InputError(f"search: {name} needs a label for each row of the search sample, which has none; "
                         "give accept: {snr_db: ...}, or data with labels")

    def figure(logits: Logits, references: Logits) -> float:
        metric, done = kind(), 0
        for batch, reference in zip(logits, references, strict=True):
            count = min(len(batch), len(sample) - done)
            at = slice(done, done + count)
            metric.update(
                batch[:count],
                reference=reference[:count] if kind.needs_reference else None,
                labels=sample.labels[at] if kind.needs_labels and sample.labels is not None else None,
                inputs=tuple(array[at] for array in sample.inputs.values()),
            )
            done += count
        return metric.compute()

    def lost(logits: Logits, references: Logits) -> float:
        drop = figure(logits, references) - (0.0 if kind.needs_reference else figure(references, references))
        return drop if kind.better == "lower" else -drop

    return lost

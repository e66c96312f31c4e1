"""Compare two artifacts of a chain over a sample."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.fx import GraphModule

from edgewright.compare import compiled, programs
from edgewright.compare.artifact import Artifact
from edgewright.compare.comparison import Comparison
from edgewright.compare.interpreters import Row
from edgewright.datasets import Sample
from edgewright.errors import InputError
from edgewright.progress import Progress, silent

_BATCH = 8


def compare(
    first: Artifact,
    second: Artifact,
    sample: Sample,
    *,
    parts: bool = True,
    histograms: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Compare `second` with `first`, the reference, operator by operator.

    Args:
        first: the reference.
        second: what is looked at.
        sample: the rows that both are run on.
        parts: also measure what each operator alone does to the output: one run of what follows it for each.
        histograms: also count weights and activations.
        progress: called after each batch with the rows of all passes.

    Raises:
        InputError: the sample does not fit, the two have nothing in common, or their outputs differ in shape.
    """
    for artifact in (first, second):
        _check(artifact, sample)
    size = _size(first, second)
    done, total = 0, len(sample) * (2 if histograms else 1)

    def rows() -> Iterator[Row]:
        nonlocal done
        for batch in sample.batches(size):
            missing = size - len(batch[0]) if first.batch or second.batch else 0
            filled = (np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) for array in batch)
            yield tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in filled)
            done += len(batch[0])
            progress(done, total, "rows")

    if isinstance(first.content, GraphModule) and isinstance(second.content, GraphModule):
        return programs.compare(
            (first.name, second.name), (first.content, second.content), rows,
            parts=parts, histograms=histograms,
        )  # fmt: skip
    return compiled.compare((first, second), rows, histograms=histograms)


def _size(first: Artifact, second: Artifact) -> int:
    """Rows that run at once: the batch size that one wants, one sequence of tokens, or a few of other inputs."""
    wanted = {artifact.batch for artifact in (first, second)} - {None}
    if len(wanted) > 1:
        raise InputError(
            f"{first.name} takes batches of {first.batch}, {second.name} of {second.batch}: compare artifacts of one "
            "export.batch"
        )
    tokens = any(item.dtype.startswith("int") for item in first.inputs)
    return next((size for size in wanted if size), 1 if tokens else _BATCH)


def _check(artifact: Artifact, sample: Sample) -> None:
    if not len(sample):
        raise InputError("the sample is empty; at least one row is needed")
    given = [(array.shape[1:], str(array.dtype)) for array in sample.inputs.values()]
    taken = [(item.shape, item.dtype) for item in artifact.inputs]
    if given != taken:
        raise InputError(f"{artifact.name} takes inputs {_text(taken)}, the sample has {_text(given)}")


def _text(signature: list[tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for shape, dtype in signature)

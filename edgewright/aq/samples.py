"""The calibration sample as batches of tensors."""

import torch
from torch import Tensor

from edgewright.datasets.sample import Sample
from edgewright.errors import InputError

BATCH_SIZE = 8
"""Samples that are run at once. Fixed, because sums depend on it in their last bits."""

Batch = tuple[Tensor, ...]


def batches(sample: Sample, dtype: torch.dtype) -> list[Batch]:
    """The sample in batches, floating point inputs in `dtype`.

    Samples are sorted by their content, so that no algorithm's result depends on the order that they came in.

    Raises:
        InputError: the sample is empty.
    """
    if len(sample) == 0:
        raise InputError("the calibration sample is empty")
    arrays = list(sample.inputs.values())
    order = sorted(range(len(sample)), key=lambda index: [array[index].tobytes() for array in arrays])
    tensors = [torch.from_numpy(array[order]) for array in arrays]
    typed = [item.to(dtype) if item.is_floating_point() else item for item in tensors]
    return list(zip(*(item.split(BATCH_SIZE) for item in typed), strict=True))

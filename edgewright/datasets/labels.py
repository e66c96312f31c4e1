"""Labels of a dataset as class indices of the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError


def indices(column: Any, dataset_names: Sequence[str], model_names: Sequence[str], where: str) -> NDArray[np.object_]:
    """Class index of each row; what is no class stays as it is, for the expectations to name; a null is None.

    Integers whose dataset declares names are matched to the model's labels by name, unless no name is common to both.

    Args:
        column: pyarrow array of integers or names.
        dataset_names: names that the dataset declares for its integers, or none.
        model_names: the model's labels in the order of its outputs, or none.
        where: dataset and column, for the message.

    Raises:
        InputError: the labels are names, and the model declares none to match them to.
    """
    position = {name: index for index, name in enumerate(model_names)}
    by_name = any(name in position for name in dataset_names)
    found = np.empty(len(column), dtype=object)
    for row, value in enumerate(column.to_pylist()):
        if isinstance(value, float):
            value = None if np.isnan(value) else int(value) if value.is_integer() else value
        if by_name and isinstance(value, int) and 0 <= value < len(dataset_names):
            value = dataset_names[value]
        if isinstance(value, str):
            if not position:
                raise InputError(f"{where}: labels are names; list the model's labels in params.yaml, in output order")
            value = position.get(value, value)
        found[row] = value
    return found

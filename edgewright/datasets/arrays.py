"""Numeric list columns to model inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.datasets.content import array_digest
from edgewright.datasets.decoded import Decoded, shape_text
from edgewright.datasets.images import normalization


def decode(column: Any, shape: tuple[int, ...], preprocess: Mapping[str, Any]) -> Decoded:
    """Lists of numbers, nested or flat, as `((x * scale) - mean) / std` in float64, rounded once to float32.

    Args:
        column: pyarrow array of numbers or of (nested) lists of numbers.
        shape: shape of the model's input; a row needs as many numbers, in row-major order.
        preprocess: `scale`, and `mean` and `std` of one value or of one for each entry of the first dimension.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    flat, offsets = _flatten(column.drop_null())
    lengths = np.diff(offsets)
    width = int(np.prod(shape, dtype=np.int64))
    values = np.full((len(column), width), np.nan, dtype=np.float64)
    digests: list[str | None] = [None] * len(column)
    shapes: list[str | None] = [None] * len(column)
    for row, start, length in zip(rows.tolist(), offsets[:-1].tolist(), lengths.tolist(), strict=True):
        content = flat[start:start + length]
        digests[row] = array_digest(content)
        shapes[row] = shape_text(shape) if length == width else f"{length} values"
        if length == width:
            values[row] = content
    mean, std = (value.reshape(-1, *[1] * (len(shape) - 1)) for value in normalization(preprocess, shape[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        shaped = ((values.reshape(-1, *shape) * float(preprocess.get("scale", 1.0))) - mean) / std
        return Decoded(shaped.astype(np.float32), digests, shapes)


def _flatten(column: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """All numbers of a column without nulls, and [n + 1] offsets of its rows in them; a null among them is NaN."""
    import pyarrow as pa

    offsets = np.arange(len(column) + 1)
    while pa.types.is_nested(column.type):
        if pa.types.is_fixed_size_list(column.type):
            column = column.cast(pa.large_list(column.type.value_type))
        inner = np.concatenate([[0], np.cumsum(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))])
        offsets = inner[offsets]
        column = column.flatten()
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, dtype=np.float64), offsets.astype(np.int64)

import numpy as np
import pyarrow as pa
import pytest

from edgewright.datasets import arrays

_VALUES = np.arange(24, dtype=np.float64).reshape(2, 2, 2, 3)


@pytest.mark.parametrize("column", [
    pa.array(_VALUES.reshape(2, 12).tolist()),
    pa.array(_VALUES.tolist()),
    pa.array(_VALUES.astype(int).reshape(2, 12).tolist()),
    pa.FixedSizeListArray.from_arrays(pa.array(_VALUES.reshape(-1)), 12),
    pa.chunked_array([pa.array(_VALUES[:1].tolist()), pa.array(_VALUES[1:].tolist())]),
    pa.array([[0.0], *_VALUES.reshape(2, 12).tolist()])[1:],
])
def test_flat_and_nested_lists_are_row_major(column):
    decoded = arrays.decode(column, (2, 2, 3), {})
    np.testing.assert_array_equal(decoded.values, _VALUES.astype(np.float32))
    assert len(set(decoded.digests)) == 2


def test_scalar_column_and_normalization():
    decoded = arrays.decode(pa.array([1, 2]), (1,), {"scale": 2.0, "mean": [1.0], "std": [0.5]})
    np.testing.assert_array_equal(decoded.values, [[2.0], [6.0]])
    per_channel = arrays.decode(pa.array([[1, 1, 1, 1]]), (2, 2), {"mean": [0.0, 1.0], "std": [1.0]})
    np.testing.assert_array_equal(per_channel.values, [[[1, 1], [0, 0]]])


def test_bad_rows_are_marked():
    column = pa.array([[1.0, 2.0], None, [1.0], [float("nan"), 0.0], [None, 1.0], [1e300, 0.0]])
    decoded = arrays.decode(column, (2,), {})
    assert decoded.shapes == ["2", None, "1 values", "2", "2", "2"]
    not_finite = decoded.observations()["not_finite"]
    np.testing.assert_array_equal(not_finite, [0, np.nan, np.nan, 1, 1, 1])

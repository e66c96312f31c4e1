import numpy as np

from edgewright.datasets.decoded import Decoded, shape_text


def test_observations_of_finite_and_other_values():
    values = np.array([[1.0, -2.0], [np.nan, 3.0], [np.inf, -np.inf]], dtype=np.float32)
    observed = Decoded(values, ["a", "b", "c"], ["2", "2", "2"]).observations()
    assert observed["not_finite"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(observed["spread"], [3.0, 0.0, np.nan])


def test_take_and_concatenate():
    decoded = Decoded(np.arange(6, dtype=np.float32).reshape(3, 2), ["a", "b", "c"], ["2"] * 3)
    joined = Decoded.concatenate([decoded.take([2]), decoded.take([]), decoded.take([0, 1])])
    assert joined.digests == ["c", "a", "b"]
    assert joined.values[:, 0].tolist() == [4.0, 0.0, 2.0]


def test_shape_text():
    assert shape_text((3, 32, 32)) == "3 x 32 x 32"

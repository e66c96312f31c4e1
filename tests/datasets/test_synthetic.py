import numpy as np
import pytest

from edgewright.config import Synthetic
from edgewright.datasets import synthetic
from edgewright.errors import ConfigError
from edgewright.models.spec import InputSpec

_INPUT = InputSpec("x", (64,), "float32")


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_mean_and_std(distribution):
    settings = Synthetic(distribution=distribution, mean=-3.0, std=2.0)
    values = synthetic.draw(settings, [_INPUT], 2000, 0)["x"]
    assert values.shape == (2000, 64)
    assert values.dtype == np.float32
    assert abs(values.mean() + 3.0) < 0.02
    assert abs(values.std() - 2.0) < 0.02
    assert (np.abs(values + 3.0).max() <= 2.0 * np.sqrt(3.0) + 1e-5) == (distribution == "uniform")


def test_seeded_and_different_for_each_input():
    inputs = [_INPUT, InputSpec("y", (64,), "float32")]
    first, again, other = (synthetic.draw(Synthetic(), inputs, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])
    assert not np.array_equal(first["x"], first["y"])


def test_token_ids_are_refused():
    with pytest.raises(ConfigError, match=r"'input_ids' is int64"):
        synthetic.draw(Synthetic(), [InputSpec("input_ids", (4,), "int64")], 1, 0)

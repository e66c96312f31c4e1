import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.config.schemes import ActivationScheme
from edgewright.gq.parameters import ActivationGrid

FINITE = st.floats(-1e30, 1e30, allow_subnormal=False)


@given(FINITE, FINITE, st.sampled_from([8, 16]), st.booleans())
def test_the_range_is_spanned_and_zero_is_exact(first, second, bits, symmetric):
    grid = ActivationGrid(bits, symmetric)
    low, high = min(first, second, 0.0), max(first, second, 0.0)
    parameters = grid.spanning(low, high)
    assert grid.qmin <= parameters.zero_point <= grid.qmax
    assert parameters.scale == float(np.float32(parameters.scale)) > 0
    reached = grid.limits(parameters)
    assert reached[0] <= low + 0.51 * parameters.scale
    assert reached[1] >= high - 0.51 * parameters.scale
    assert grid.rounded(np.array([0.0]), parameters)[0] == 0.0
    if symmetric:
        assert parameters.zero_point == 0


@pytest.mark.parametrize("symmetric", [False, True])
def test_an_empty_range_has_scale_one(symmetric):
    assert ActivationGrid(8, symmetric).spanning(0.0, 0.0).scale == 1.0


def test_a_positive_range_starts_at_zero():
    grid = ActivationGrid(8, False)
    assert grid.spanning(3.0, 25.5).zero_point == -128
    assert grid.spanning(3.0, 25.5).scale == pytest.approx(0.1)


@pytest.mark.parametrize(("low", "scale", "zero_point"), [(0.0, 1.0, -128), (-0.5, 2.0, 0), (-200.0, 2.0, 0)])
def test_an_unsigned_symmetric_grid_has_zero_at_its_end_where_nothing_is_negative(low, scale, zero_point):
    parameters = ActivationGrid(8, True, power_of_two=True, unsigned=True).spanning(low, 250.0)
    assert (parameters.scale, parameters.zero_point) == (scale, zero_point)


def test_unsigned_is_for_symmetric_grids():
    assert ActivationGrid.of(ActivationScheme(), unsigned=True) == ActivationGrid(8, False)
    assert ActivationGrid.of(ActivationScheme(symmetric=True), unsigned=True).unsigned

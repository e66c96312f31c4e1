import numpy as np
import pytest

from edgewright.gq.parameters import ActivationGrid
from tests.gq.calibration.observing import ranged


def range_of(values, grid, **options):
    return ranged("histogram", [values], grid, **options)[0]


def error(values, grid, ends):
    rounded = grid.rounded(values.astype(np.float64), grid.spanning(*ends))
    return float(((rounded - values) ** 2).mean())


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("draw", ["laplace", "standard_cauchy", "normal", "uniform"])
def test_its_error_is_never_above_that_of_the_whole_range(symmetric, draw):
    values = getattr(np.random.default_rng(2), draw)(size=20_000).astype(np.float32)
    grid = ActivationGrid(8, symmetric)
    found = range_of(values, grid, power=2.0)
    whole = (float(values.min()), float(values.max()))
    assert error(values, grid, found) <= error(values, grid, whole) * 1.001


def test_it_clips_a_lone_outlier_of_many_values():
    values = np.random.default_rng(3).normal(size=200_000).astype(np.float32)
    values[0] = 12.0
    grid = ActivationGrid(8, False)
    found = range_of(values, grid, power=2.0)
    assert found[1] < 10
    assert found[1] < range_of(values, grid, power=3.0)[1]
    assert error(values, grid, found) < 0.8 * error(values, grid, (float(values.min()), 12.0))


def test_pixels_keep_the_scale_that_is_exact():
    values = np.arange(256, dtype=np.float32).repeat(40)
    grid = ActivationGrid(8, False)
    assert grid.spanning(*range_of(values, grid)).scale == 1.0


def test_zeros_do_not_pull_the_range():
    values = np.abs(np.random.default_rng(4).normal(size=5000)).astype(np.float32)
    grid = ActivationGrid(8, False)
    assert range_of(np.concatenate([values, np.zeros(50_000, np.float32)]), grid)[1] == pytest.approx(
        range_of(values, grid)[1], rel=0.02
    )


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 2.5, 2.7, 3.0])
def test_products_and_roots_are_the_power(power):
    from edgewright.gq.calibration.histogram import _raised

    base = np.random.default_rng(5).uniform(0, 9, 50)
    np.testing.assert_allclose(_raised(base, power, np.empty_like(base)), base**power, rtol=1e-14)

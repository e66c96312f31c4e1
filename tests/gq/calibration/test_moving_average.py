from fractions import Fraction

import numpy as np

from tests.gq.calibration.observing import ranged


def test_it_is_the_mean_of_the_extremes_of_samples_rounded_once():
    samples = np.random.default_rng(0).standard_cauchy((300, 20)).astype(np.float32)
    low = float(sum(Fraction(float(value)) for value in samples.min(1)) / 300)
    high = float(sum(Fraction(float(value)) for value in samples.max(1)) / 300)
    assert ranged("moving-average", samples)[0] == (low, high)


def test_numbers_of_any_magnitude_add_up_exactly():
    samples = [np.array([value], np.float32) for value in (1e30, 1.0, -1e30, 1e-30)]
    exact = (Fraction(1) + Fraction(float(np.float32(1e-30)))) / 4
    assert ranged("moving-average", samples)[0][1] == float(exact)


def test_a_lone_outlier_moves_it_by_its_share():
    samples = np.ones((100, 4), np.float32)
    samples[17, 2] = 101.0
    (low, high), clipped = ranged("moving-average", samples)
    assert (low, high) == (1.0, 2.0)
    assert clipped == 1 / 400


def test_samples_without_values_do_not_count():
    assert ranged("moving-average", [np.ones(3, np.float32), np.ones(0, np.float32)])[0] == (1.0, 1.0)


def test_a_tensor_that_shares_the_range_is_averaged_by_itself():
    from edgewright.gq.calibration.moving_average import Method
    from tests.gq.calibration.observing import GRID, watched

    observer = watched(Method().observer(), [np.array([-8.0, 8.0], np.float32)])
    observer.join(watched(Method().observer(), [np.array([0.0, 1.0], np.float32)] * 9))
    assert observer.range(GRID) == (-8.0, 8.0)

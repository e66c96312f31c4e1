import numpy as np

from tests.gq.calibration.observing import ranged


def test_it_is_the_exact_range_and_clips_nothing():
    samples = [np.array([[0.5, -3.25]], np.float32), np.array([7.0], np.float32)]
    assert ranged("minmax", samples) == ((-3.25, 7.0), 0.0)

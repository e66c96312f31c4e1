import numpy as np

from edgewright.gq.calibration.minmax import Method
from edgewright.gq.parameters import ActivationGrid


def test_it_is_the_exact_range():
    observer = Method().observer()
    observer.observe(np.array([[0.5, -3.25]], np.float32), 0)
    observer.observe(np.array([7.0], np.float32), 0)
    assert observer.range(ActivationGrid(8, False)) == (-3.25, 7.0)

import numpy as np

from edgewright.gq.calibration._given import Given
from tests.gq.calibration.observing import GRID, watched


def test_it_keeps_the_range_and_counts_exactly_what_is_clipped():
    parameters = GRID.spanning(-1.0, 1.0)
    values = np.concatenate([np.linspace(-1, 1, 1000), [1.5, -7.0, 1.003]]).astype(np.float32)
    observer = watched(Given(GRID, parameters), np.array_split(values, 5))
    assert observer.range(GRID) == GRID.limits(parameters)
    assert observer.values == 1003
    # 1.003 is less than half a step outside.
    assert observer.outside(*GRID.reach(parameters)) == 2


def test_joined_counts_add_up():
    parameters = GRID.spanning(0.0, 1.0)
    one, other = (watched(Given(GRID, parameters), [np.array([value], np.float32)]) for value in (2.0, 3.0))
    one.join(other)
    assert (one.values, one.outside(0, 1)) == (2, 2)

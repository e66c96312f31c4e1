import numpy as np
import pytest

from edgewright.evaluate import metric_class


def test_uniform_and_extreme_probabilities() -> None:
    metric = metric_class("brier")()
    metric.update(np.zeros((3, 4)), reference=None, labels=np.array([0, 1, 2]), inputs=())
    assert metric.compute() == pytest.approx(0.75**2 + 3 * 0.25**2)
    metric.update(np.array([[900.0, 0, 0, 0]]), reference=None, labels=np.array([1]), inputs=())
    assert metric.compute() == pytest.approx((3 * (0.75**2 + 3 * 0.25**2) + 2) / 4)

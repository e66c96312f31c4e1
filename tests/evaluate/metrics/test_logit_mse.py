import numpy as np
import pytest

from edgewright.evaluate import metric_class


def test_sums_over_classes_and_averages_over_samples() -> None:
    metric = metric_class("logit_mse")()
    reference = np.array([[1.0, 2.0], [0.0, 0.0]], np.float32)
    metric.update(reference + np.array([[3, 4], [0, 1]]), reference=reference, labels=None, inputs=())
    assert metric.compute() == pytest.approx((25 + 1) / 2)


def test_a_position_of_a_language_model_is_a_sample() -> None:
    metric = metric_class("logit-mse")()
    reference = np.zeros((2, 3, 5), np.float32)
    metric.update(reference + 1, reference=reference, labels=None, inputs=())
    assert metric.compute() == pytest.approx(5.0)


def test_without_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="reference"):
        metric_class("logit_mse")().update(np.zeros((1, 2)), reference=None, labels=None, inputs=())

import math

import numpy as np
import pytest

from edgewright.evaluate import metric_class


def snr(noise: float) -> float:
    metric = metric_class("snr")()
    reference = np.random.default_rng(0).normal(size=(8, 10))
    metric.update(reference * (1 + noise), reference=reference, labels=None, inputs=())
    return metric.compute()


def test_a_tenth_of_the_signal_is_twenty_db() -> None:
    assert snr(0.1) == pytest.approx(20.0)
    assert snr(0.01) == pytest.approx(40.0)


def test_equal_logits_are_infinite_and_nothing_is_nan() -> None:
    assert snr(0.0) == math.inf
    assert math.isnan(metric_class("snr")().compute())

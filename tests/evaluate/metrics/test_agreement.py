import numpy as np

from edgewright.evaluate import metric_class


def test_percent_of_equal_predictions_over_positions() -> None:
    reference = np.zeros((1, 4, 3), np.float32)
    reference[..., 1] = 1
    logits = reference.copy()
    logits[0, 0, 2] = 5
    metric = metric_class("agreement")()
    metric.update(logits, reference=reference, labels=None, inputs=())
    assert metric.compute() == 75.0

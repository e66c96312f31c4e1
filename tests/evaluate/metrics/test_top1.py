import numpy as np

from edgewright.evaluate import metric_class


def test_counts_the_first_of_equal_logits() -> None:
    metric = metric_class("top1")()
    logits = np.array([[1, 3, 2], [5, 5, 0], [0, 1, 2], [0, 0, 9]], np.float32)
    metric.update(logits[:2], reference=None, labels=np.array([1, 1]), inputs=())
    metric.update(logits[2:], reference=None, labels=np.array([2, 2]), inputs=())
    assert metric.compute() == 75.0

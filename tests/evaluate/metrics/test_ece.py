import numpy as np
import pytest

from edgewright.evaluate import metric_class


def ece(logits: np.ndarray, labels: np.ndarray, size: int = 1000) -> float:
    metric = metric_class("ece")()
    for start in range(0, len(labels), size):
        part = slice(start, start + size)
        metric.update(logits[part], reference=None, labels=labels[part], inputs=())
    return metric.compute()


def by_definition(logits: np.ndarray, labels: np.ndarray) -> float:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    probability = exp / exp.sum(1, keepdims=True)
    confidence, correct = probability.max(1), probability.argmax(1) == labels
    total = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def test_equals_the_definition_whatever_the_batches() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(400, 6)) * 2, rng.integers(0, 6, 400)
    assert ece(logits, labels) == pytest.approx(by_definition(logits, labels))
    assert ece(logits, labels, 33) == pytest.approx(by_definition(logits, labels))


def test_certain_and_wrong_is_one_certain_and_right_is_zero() -> None:
    logits = np.array([[1000.0, 0.0]])
    assert ece(logits, np.array([1])) == pytest.approx(1.0)
    assert ece(logits, np.array([0])) == pytest.approx(0.0)

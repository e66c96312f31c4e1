import math

import numpy as np
import pytest

from benchmarks.gq.evaluation import evaluate, logits_of

REFERENCE = np.array([[2, 0], [2, 0], [0, 2], [0, 2], [2, 0], [0, 2]], dtype=np.float32)
LABELS = np.array([0, 0, 1, 1, 1, 1])


def found(logits):
    return evaluate(logits, REFERENCE, LABELS)


def test_the_float_model_itself():
    figures = found(REFERENCE)
    assert figures.top1 == pytest.approx(100 * 5 / 6)
    assert (figures.mse, figures.agree, figures.snr_db) == (0.0, 100.0, math.inf)


def test_logits_that_only_shrink_are_told_from_those_that_are_wrong():
    figures = found(REFERENCE / 2)
    assert figures.mse == pytest.approx(1.0)
    assert figures.mse_after_gain == pytest.approx(0.0)
    assert figures.snr_db == pytest.approx(10 * math.log10(4))
    wrong = found(REFERENCE[::-1].copy())
    assert wrong.agree == pytest.approx(200 / 3)
    assert wrong.mse_after_gain > 1


def test_perplexity_is_that_of_the_right_class():
    likelihood = [math.exp(2) / (math.exp(2) + 1)] * 4 + [1 / (math.exp(2) + 1)] + [math.exp(2) / (math.exp(2) + 1)]
    assert found(REFERENCE).perplexity == pytest.approx(math.exp(-np.mean(np.log(likelihood))))


def test_an_output_without_classes_has_an_error_alone():
    figures = evaluate(REFERENCE / 2, REFERENCE, None)
    assert figures.mse == pytest.approx(1.0)
    assert math.isnan(figures.top1)
    assert math.isnan(figures.perplexity)


def test_the_calibration_error_is_the_gap_of_a_bin():
    sure = math.exp(2) / (math.exp(2) + 1)
    assert found(REFERENCE).ece == pytest.approx(100 * abs(sure - 5 / 6))


def test_batches_are_joined_in_order():
    images = np.arange(23, dtype=np.float32).reshape(-1, 1)
    sizes = []

    def model(part):
        sizes.append(len(part))
        return part * 2

    assert np.array_equal(logits_of(model, images, 10), images * 2)
    assert sizes == [10, 10, 3]

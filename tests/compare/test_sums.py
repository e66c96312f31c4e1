import numpy as np
import pytest

from edgewright.compare.sums import LOWEST_DB, Sums


def figures(*batches):
    sums = Sums()
    for first, second in batches:
        sums.add(np.array(first, np.float32), np.array(second, np.float32))
    return sums.figures()


def test_figures_are_those_of_the_definition_over_all_batches():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5)).astype(np.float32)
    q = x + rng.normal(size=x.shape).astype(np.float32) * 0.1
    found = figures((x[:2], q[:2]), (x[2:], q[2:]))
    a, b = x.astype(np.float64), q.astype(np.float64)
    assert found.snr_db == pytest.approx(10 * np.log10((a * a).sum() / ((a - b) ** 2).sum()))
    assert found.mse == pytest.approx(((a - b) ** 2).mean())
    assert found.cosine == pytest.approx((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    assert found.max_error == np.abs(a - b).max()
    assert found.not_finite == 0


def test_the_ends():
    equal = figures(([1, 2], [1, 2]))
    assert (equal.snr_db, equal.cosine, equal.mse) == (None, 1.0, 0.0)
    assert figures(([0, 0], [0, 0])).cosine == 1.0
    assert figures(([0, 0], [1, 0])).snr_db == -LOWEST_DB


def test_an_infinity_counts_where_the_two_differ_and_is_in_no_other_figure():
    found = figures(([np.inf, -np.inf, 1], [np.inf, 5, 1]))
    assert found.not_finite == 1
    assert (found.snr_db, found.mse) == (None, 0.0)
    assert figures(([np.nan], [np.nan])).not_finite == 0
    assert found.rank < figures(([1.0], [100.0])).rank < equal_rank()


def equal_rank():
    return figures(([1], [1])).rank

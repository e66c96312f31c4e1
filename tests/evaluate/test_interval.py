import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.evaluate.interval import Interval, PairedTop1


def paired(reference_right: np.ndarray, right: np.ndarray) -> Interval:
    """Logits of two classes that make exactly these samples right, label 0."""
    counter = PairedTop1()
    labels = np.zeros(len(right), np.int64)
    counter.update(np.eye(2)[1 - right.astype(int)], np.eye(2)[1 - reference_right.astype(int)], labels)
    return counter.compute()


def test_difference_and_interval_by_hand() -> None:
    right = np.array([1] * 90 + [0] * 4 + [1] * 1 + [0] * 5)
    reference = np.array([1] * 90 + [1] * 4 + [0] * 1 + [0] * 5)
    found = paired(reference, right)
    half = 1.959963984540054 * math.sqrt(4 + 1 + 1 - 9 / 102) / 102
    assert found.difference == pytest.approx(-3.0)
    assert found.low == pytest.approx(100 * (-3 / 102 - half))
    assert found.high == pytest.approx(100 * (-3 / 102 + half))
    assert found.samples == 100


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_holds_zero_when_models_agree_and_flips_with_them(pairs: list[tuple[bool, bool]]) -> None:
    one, other = (np.array(column) for column in zip(*pairs, strict=True))
    forth, back = paired(one, other), paired(other, one)
    assert forth.low < forth.high
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low == pytest.approx(-back.high)
    same = paired(one, one)
    assert same.low < 0 < same.high
    assert -100 <= forth.low <= forth.high <= 100


def test_covers_the_true_difference_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        cell = rng.choice(4, 500, p=[0.85, 0.03, 0.02, 0.10])
        found = paired(np.isin(cell, [0, 1]), np.isin(cell, [0, 2]))
        covered += found.low <= -1.0 <= found.high
    assert 0.935 < covered / 2000 < 0.975

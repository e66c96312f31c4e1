"""Results are compared by the rule's class."""

import math

import pytest
import torch

from edgewright.go.rule import Class
from edgewright.go.witness import compare

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("kind", "was", "now", "equal"), [
    (Class.EXACT, [1.0, NAN, INF], [1.0, NAN, INF], True),
    (Class.EXACT, [0.0], [-0.0], False),
    (Class.EXACT, [1.0], [1.0 + 2**-23], False),
    (Class.EXACT, [1.0], [NAN], False),
    (Class.REAL_EXACT, [0.0, 8.0], [-0.0, 8.0], True),
    (Class.REAL_EXACT, [0.0, 8.0], [2**-19, 8.0], True),
    (Class.REAL_EXACT, [0.0, 8.0], [2**-13, 8.0], False),
    (Class.REAL_EXACT, [INF, 1.0], [INF, 1.0], True),
    (Class.REAL_EXACT, [INF, 1.0], [-INF, 1.0], False),
    (Class.REAL_EXACT, [3e38, 1.0], [INF, 1.0], False),
    (Class.REAL_EXACT, [NAN, 1.0], [0.0, 1.0], False),
])
def test_float_values(kind: Class, was: list[float], now: list[float], equal: bool) -> None:
    found = compare(kind, 64.0, torch.tensor(was), torch.tensor(now))
    assert (found.counterexample is None) == equal


def test_integers_and_sizes_must_be_equal() -> None:
    assert compare(Class.DECOMPOSITION, 64.0, torch.tensor([1, 2]), torch.tensor([1, 3])).counterexample \
        == "at [1]: 2 became 3"
    assert compare(Class.EXACT, 0.0, 4, 4).counterexample is None
    assert compare(Class.EXACT, 0.0, 4, 5).counterexample == "4 became 5"


def test_shapes_and_types_must_be_equal() -> None:
    assert "became (3,)" in (compare(Class.EXACT, 0.0, torch.zeros(2), torch.zeros(3)).counterexample or "")
    assert "float64" in (compare(Class.EXACT, 0.0, torch.zeros(2), torch.zeros(2).double()).counterexample or "")


def test_bound_is_units_in_the_last_place_of_the_largest_value() -> None:
    found = compare(Class.FOLDED, 64.0, torch.tensor([1.0, -4.0]), torch.tensor([1.0, -4.0]))
    assert found.bound == 64 * 2**-23 * 4
    assert found.max_abs == 0.0
    assert found.samples == 2

from hypothesis import given
from hypothesis import strategies as st

from edgewright.report.scale import fitted

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=20)
POSITIVE = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20)


@given(st.one_of(VALUES, POSITIVE))
def test_holds_every_value_in_order(values: list[float]) -> None:
    scale = fitted(values, 10.0, 200.0)
    placed = [scale(value) for value in sorted(values)]
    assert placed == sorted(placed)
    assert all(10.0 <= item <= 200.0 for item in placed)


@given(st.one_of(VALUES, POSITIVE))
def test_ticks_are_few_ascending_and_inside(values: list[float]) -> None:
    scale = fitted(values, 0.0, 100.0)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert list(ticks) == sorted(set(ticks))
    assert all(-0.1 <= scale(tick) <= 100.1 for tick in ticks)


def test_ticks_are_round_numbers() -> None:
    assert fitted([44.8, 49.05], 0, 1).ticks() == (45.0, 46.0, 47.0, 48.0, 49.0)
    assert fitted([50, 5000], 0, 1).ticks() == (50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
    assert [fitted([50, high], 0, 1).log for high in (200, 5000)] == [False, True]


def test_one_value_sits_inside_and_nothing_gives_a_unit_axis() -> None:
    scale = fitted([5.0], 0.0, 100.0)
    assert 0 < scale(5.0) < 100
    assert fitted([], 0.0, 100.0)(0.5) == 50.0

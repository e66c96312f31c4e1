from hypothesis import given
from hypothesis import strategies as st

from edgewright.report.pareto import front

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25)


def dominates(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_front_is_exactly_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    chosen = front(points)
    assert list(chosen) == sorted(set(chosen))
    for index, point in enumerate(points):
        assert (index in chosen) == (not any(dominates(other, point) for other in points))


@given(POINTS)
def test_every_point_is_on_the_front_or_behind_a_point_of_it(points: list[tuple[int, int]]) -> None:
    chosen = front(points)
    for index, point in enumerate(points):
        assert index in chosen or any(dominates(points[i], point) for i in chosen)


@given(POINTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(points: list[tuple[int, int]], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(points[i] for i in front(points)) == sorted(shuffled[i] for i in front(shuffled))


def test_equal_points_are_both_on_the_front() -> None:
    assert front([(1, 2), (1, 2), (2, 2)]) == (0, 1)
    assert front([]) == ()

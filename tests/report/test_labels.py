import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgewright.report.labels import apart, spread


@given(st.lists(st.floats(0, 200), max_size=30))
def test_spread_keeps_gap_order_and_bounds(positions: list[float]) -> None:
    placed = spread(positions, 17.0, 0.0, 200.0)
    gap = min(17.0, 200.0 / max(len(positions) - 1, 1))
    assert all(later - earlier >= gap - 0.2 for earlier, later in pairwise(sorted(placed)))
    assert all(-0.1 <= item <= 200.1 for item in placed)
    order = sorted(range(len(positions)), key=lambda index: (positions[index], index))
    assert [placed[index] for index in order] == sorted(placed)


def test_spread_leaves_what_has_room() -> None:
    assert spread([10.0, 100.0, 50.0], 17.0, 0.0, 200.0) == (10.0, 100.0, 50.0)


def test_apart_moves_only_what_is_crowded() -> None:
    spots = [(0.0, 0.0), (3.0, 0.0), (100.0, 100.0)]
    placed = apart(spots, [True, True, True])
    assert placed[2] == spots[2]
    for one, other in ((placed[0], placed[1]), (placed[0], spots[1]), (placed[1], spots[0])):
        assert math.dist(one, other) >= 19.0


def test_apart_keeps_clear_of_unlabelled_spots() -> None:
    placed = apart([(0.0, 0.0), (1.0, 0.0)], [True, False])
    assert math.dist(placed[0], (1.0, 0.0)) >= 19.0
    assert placed[1] == (1.0, 0.0)

from itertools import islice

import pytest

from edgewright.aq.reconstruction.minibatches import minibatches


def _seen(pieces):
    return [(batch, row) for batch, rows in pieces for row in rows.tolist()]


def test_every_sample_is_seen_once_before_one_is_seen_again():
    drawn = list(islice(minibatches([6, 6, 3], 5, 1, 0), 6))
    assert [len(_seen(item)) for item in drawn] == [5] * 6
    every = {(batch, row) for batch, size in enumerate([6, 6, 3]) for row in range(size)}
    first, second = ([key for item in part for key in _seen(item)] for part in (drawn[:3], drawn[3:]))
    assert len(first) == len(second) == 15
    assert set(first) == set(second) == every
    assert first != second


def test_a_piece_lies_in_one_batch_and_a_mini_batch_is_of_whole_pieces():
    for pieces in islice(minibatches([4, 4], 4, 2, 0), 8):
        assert [len(rows) for _, rows in pieces] == [2, 2]


@pytest.mark.parametrize(("batch", "piece", "pieces"), [(1, 2, [1]), (3, 2, [1, 1, 1]), (4, 3, [2, 2])])
def test_pieces_add_up_to_the_mini_batch(batch, piece, pieces):
    drawn = next(minibatches([12], batch, piece, 0))
    assert [len(rows) for _, rows in drawn] == pieces


def test_the_seed_decides_the_order():
    def order(seed):
        return [_seen(item) for item in islice(minibatches([8], 4, 1, seed), 4)]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_a_mini_batch_larger_than_the_sample_sees_it_more_than_once():
    pieces = next(minibatches([2], 5, 1, 0))
    assert len(pieces) == 5

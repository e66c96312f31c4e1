import numpy as np

from edgewright.compare.histogram import BINS, HistogramPair, sparkline


def test_both_are_counted_over_one_range_in_any_number_of_batches():
    x = np.linspace(-1, 3, 64, dtype=np.float32)
    q = np.full(64, 7.0, np.float32)
    pair = HistogramPair()
    for half in (slice(0, 32), slice(32, 64)):
        pair.look(x[half], q[half])
    for half in (slice(0, 32), slice(32, 64)):
        pair.count(x[half], q[half])
    found = pair.result()
    assert (found.low, found.high) == (-1, 7)
    assert len(found.first) == len(found.second) == BINS
    assert found.first == tuple(np.histogram(x.astype(np.float64), BINS, (-1, 7))[0])
    assert found.second == (0,) * (BINS - 1) + (64,)


def test_what_is_not_finite_is_left_out():
    pair = HistogramPair()
    assert pair.result() is None
    array = np.array([np.nan, np.inf, 2.0], np.float32)
    pair.look(array)
    pair.count(array, array)
    assert sum(pair.result().first) == 1


def test_an_empty_bin_is_blank_and_a_single_value_is_not():
    assert sparkline((0, 1, 10_000)) == " ▁█"
    assert sparkline((0, 0)) == "  "

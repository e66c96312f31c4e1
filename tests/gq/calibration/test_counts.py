import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgewright.gq.calibration._counts import Counts
from tests.gq.calibration.observing import watched

VALUES = arrays(np.float32, st.integers(1, 60), elements=st.floats(-(2.0**127), 2.0**127, width=32))


@settings(deadline=None)
@given(values=VALUES, bins=st.integers(16, 300))
def test_every_value_lies_in_its_bin_and_bins_are_fine_enough(values, bins):
    seen = watched(Counts(bins), np.array_split(values, 7)).histogram
    assert seen.counts.sum() == len(values)
    assert (np.diff(seen.edges) >= 0).all()
    assert ((seen.edges[:-1] <= seen.centers) & (seen.centers <= seen.edges[1:])).all()
    # What lies below an inner edge is counted below it, up to values on the edge itself.
    below = np.cumsum(seen.counts)[:-1]
    for edge, count in zip(seen.edges[1:-1], below, strict=True):
        assert (values < edge).sum() <= count <= (values <= edge).sum()
    reach = float(np.abs(values).max())
    if reach > 1e-30:
        assert np.diff(seen.edges).max() <= 2 * 2 * reach / bins


@settings(deadline=None)
@given(first=VALUES, second=VALUES)
def test_counts_do_not_depend_on_order_split_or_joining(first, second):
    def of(*samples):
        return watched(Counts(64), samples).histogram

    joined = watched(Counts(64), [first])
    joined.join(watched(Counts(64), [second]))
    whole = of(np.concatenate([first, second]))
    for other in (of(first, second), of(second, first), joined.histogram):
        assert (other.low, other.high) == (whole.low, whole.high)
        np.testing.assert_array_equal(other.counts, whole.counts)
        np.testing.assert_array_equal(other.edges, whole.edges)


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_any_magnitude_is_counted(scale):
    values = (np.array([-1.0, 0.0, 0.5, 3.0]) * scale).astype(np.float32)
    seen = watched(Counts(64), [values]).histogram
    assert seen.counts.sum() == 4
    assert (seen.low, seen.high) == (values.min(), values.max())


def test_outside_counts_by_the_centers():
    counts = watched(Counts(4096), [np.linspace(-1, 1, 2001, dtype=np.float32)])
    assert counts.outside(-1, 1) == 0
    assert counts.outside(-0.5, 2) == pytest.approx(500, abs=2)
    assert counts.outside(0, 0.75) == pytest.approx(1250, abs=2)

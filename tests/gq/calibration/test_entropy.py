import numpy as np
import pytest

from edgewright.gq.calibration._counts import Counts
from edgewright.gq.calibration.entropy import _Divergence
from tests.gq.calibration.observing import GRID, GRIDS, ranged, watched


def plain(seen, grid, low, high):
    """KL(P || Q) a bin and an integer at a time."""
    parameters = grid.spanning(low, high)
    levels = np.floor(seen.centers / parameters.scale + 0.5) + parameters.zero_point
    inside = np.flatnonzero((levels >= grid.qmin) & (levels <= grid.qmax))
    if not inside.size:
        return np.inf
    raw = seen.counts.astype(float)
    first, last = inside[0], inside[-1]
    p = raw[first : last + 1].copy()
    p[0] += raw[:first].sum()
    p[-1] += raw[last + 1 :].sum()
    q = np.zeros_like(p)
    for level in np.unique(levels[inside]):
        own = levels[first : last + 1] == level
        filled = own & (p > 0)
        if filled.any():
            q[filled] = max(raw[first : last + 1][own].sum(), 1e-4) / filled.sum()
    used = p > 0
    p, q = p[used] / p.sum(), q[used] / raw[inside].sum()
    return float((p * np.log(p / q)).sum())


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if grid.bits == 8], ids=str)
@pytest.mark.parametrize("draw", ["laplace", "standard_exponential", "gumbel"])
def test_all_ranges_at_once_are_those_of_a_plain_loop(grid, draw):
    values = getattr(np.random.default_rng(1), draw)(size=4000).astype(np.float32)
    # Away from zero, whose bin has a rule of its own.
    values = values[np.abs(values) > np.abs(values).max() / 200]
    seen = watched(Counts(512), [values]).histogram
    search = _Divergence(seen, grid)
    shares = np.linspace(1, 0.05, 40)
    lows, highs = shares * min(seen.low, 0), shares * max(seen.high, 0)
    if grid.symmetric:
        highs = np.maximum(-lows, highs)
        lows = -highs
    assert not seen.counts[seen.centers == 0].any()
    found = search._of(lows, highs)
    expected = [plain(seen, grid, low, high) for low, high in zip(lows, highs, strict=True)]
    assert np.isfinite(expected).sum() > 3
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_it_clips_a_tail_that_carries_little_and_keeps_what_is_even():
    generator = np.random.default_rng(2)
    tail = np.concatenate([np.abs(generator.normal(size=200_000)), [40.0]]).astype(np.float32)
    assert ranged("entropy", [tail])[0][1] < 20
    even = generator.uniform(0, 1, 200_000).astype(np.float32)
    assert ranged("entropy", [even])[0][1] > 0.95


def test_zeros_do_not_decide():
    values = np.abs(np.random.default_rng(3).normal(size=20_000)).astype(np.float32)
    alone, with_zeros = (
        ranged("entropy", [np.concatenate([values, np.zeros(count, np.float32)])])[0] for count in (0, 500_000)
    )
    assert with_zeros[1] == pytest.approx(alone[1], rel=0.1)


def test_sixteen_bits_keep_the_whole_range():
    values = np.random.default_rng(4).standard_cauchy(5000).astype(np.float32)
    for grid in (grid for grid in GRIDS if grid.bits == 16):
        assert ranged("entropy", [values], grid)[0] == (float(values.min()), float(values.max()))


def test_both_ends_are_searched():
    values = np.random.default_rng(5).normal(size=100_000).astype(np.float32)
    values[:2] = -30.0, 60.0
    low, high = ranged("entropy", [values], GRID)[0]
    assert -20 < low < -2
    assert 2 < high < 20

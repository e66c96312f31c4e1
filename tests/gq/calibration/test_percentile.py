import numpy as np
import pytest

from tests.gq.calibration.observing import ranged


def range_of(values, **options):
    return ranged("percentile", [values], **options)[0]


@pytest.mark.parametrize("percentile", [99.0, 99.9, 100.0])
def test_no_more_than_the_share_lies_outside_and_a_bin_less_would_be_too_little(percentile):
    values = np.random.default_rng(1).normal(size=200_000).astype(np.float32)
    low, high = range_of(values, percentile=percentile, bins=8192)
    width = float(values.max() - values.min()) / 8192
    allowed = round(len(values) * (1 - percentile / 100))
    assert (values > high + 1e-5).sum() <= allowed <= (values > high - width - 1e-5).sum()
    assert (values < low - 1e-5).sum() <= allowed <= (values < low + width + 1e-5).sum()


def test_zeros_count_as_values():
    values = np.concatenate([np.zeros(999), [10.0]]).astype(np.float32)
    assert range_of(values, percentile=99.0)[1] < 0.01

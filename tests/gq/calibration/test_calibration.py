import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgewright import registry
from edgewright.errors import ConfigError
from edgewright.gq import calibration
from tests.gq.calibration.observing import GRID, GRIDS, ranged, watched

METHODS = registry.names(calibration.PACKAGE)
# Nothing more is known of the samples that a moving average sees: it takes them apart.
SPLIT_ANYWHERE = [name for name in METHODS if name != "moving-average"]

SAMPLES = st.lists(
    arrays(np.float32, st.integers(0, 40), elements=st.floats(-(2.0**127), 2.0**127, width=32)), min_size=1, max_size=8
)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=30)
@given(samples=SAMPLES, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_samples_does_not_matter(method, samples, seed):
    mixed = [samples[index] for index in np.random.default_rng(seed).permutation(len(samples))]
    for grid in GRIDS[::3]:
        assert ranged(method, mixed, grid) == ranged(method, samples, grid)


@pytest.mark.parametrize("method", SPLIT_ANYWHERE)
@settings(deadline=None, max_examples=30)
@given(samples=SAMPLES, pieces=st.integers(1, 9))
def test_how_values_are_split_does_not_matter(method, samples, pieces):
    whole = np.concatenate(samples)
    for grid in GRIDS[::3]:
        assert ranged(method, np.array_split(whole, pieces), grid) == ranged(method, [whole], grid)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=20)
@given(first=SAMPLES, second=SAMPLES)
def test_joined_tensors_have_one_range_whichever_comes_first(method, first, second):
    def joined(one, other):
        found = calibration.load(method, {}, "")
        observer = watched(found.observer(), one)
        observer.join(watched(found.observer(), other))
        ends = observer.range(GRID)
        return ends, observer.values, observer.outside(*GRID.reach(GRID.spanning(*ends)))

    assert joined(first, second) == joined(second, first)
    if method in SPLIT_ANYWHERE:
        assert joined(first, second)[0] == ranged(method, [*first, *second])[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_grid_gets_a_range_that_loses_little(method, grid):
    samples = np.random.default_rng(0).laplace(size=(50, 400)).astype(np.float32)
    ends, clipped = ranged(method, samples, grid)
    parameters = grid.spanning(*ends)
    error = grid.rounded(samples.astype(np.float64), parameters) - samples
    assert clipped < 0.02
    # The step is at most 1/100 of the deviation with 8 bits, however far the tails reach.
    assert np.abs(error).mean() < (0.1 if grid.bits == 8 else 0.05)
    assert grid.power_of_two is False or np.frexp(parameters.scale)[0] == 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize(
    "values",
    [[], [0.0, 0.0], [2.5, 2.5], [-1e-30], [1e30, 2e30], [0.0, 1e-36], [1e-40, 2e-40], [-3e38, 3e38]],
)
def test_constant_empty_and_extreme_tensors_have_a_range(method, grid, values):
    (low, high), clipped = ranged(method, [np.array(values, np.float32)], grid)
    parameters = grid.spanning(low, high)
    assert parameters.scale > 0
    assert clipped == 0
    if not any(values):
        assert parameters.scale == 1.0
    for value in values:
        step = max(parameters.scale, float(np.finfo(np.float32).tiny))
        assert abs(grid.rounded(np.array([value]), parameters)[0] - value) <= step


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_sample(method):
    observer = calibration.load(method, {}, "gq.mine").observer()
    piece = np.linspace(-1, 1, 1000, dtype=np.float32)

    def held():
        return len(pickle.dumps(observer))

    watched(observer, [piece])
    before = held()
    watched(observer, [piece] * 100)
    assert held() < before + 100  # numbers that are larger take a byte more


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("histgram", {}, "did you mean 'histogram'"),
        ("percentile", {"percentle": 99.0}, "did you mean 'percentile'"),
        ("minmax", {"bins": 10}, "it has none"),
        ("moving-average", {"constant": 0.01}, "it has none"),
        ("percentile", {"percentile": 20.0}, "not above 50"),
        ("histogram", {"bins": 2.5}, "bins: 2.5 is not a whole number"),
        ("entropy", {"bins": 8}, "bins: 8 is not a whole number from 16"),
        ("entropy", {"candidates": 0}, "candidates: 0 is not a whole number from 1"),
        ("entropy", {"smallest": 0}, "smallest: 0 is not above 0"),
    ],
)
def test_a_wrong_method_or_option_is_one_line(name, options, message):
    with pytest.raises(ConfigError, match=message) as error:
        calibration.load(name, options, "gq.mine.activations.calibration")
    assert "\n" not in str(error.value)


def test_checking_a_method_does_not_import_torch():
    code = (
        "import sys; from edgewright import registry; from edgewright.gq import calibration;"
        "[calibration.load(name, {}, 'x') for name in registry.names(calibration.PACKAGE)];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

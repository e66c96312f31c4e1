import pickle
import subprocess
import sys

import numpy as np
import pytest

from edgewright import registry
from edgewright.errors import ConfigError
from edgewright.gq import calibration
from edgewright.gq.parameters import ActivationGrid

GRID = ActivationGrid(8, symmetric=False)
METHODS = registry.names(calibration.PACKAGE)


def ranged(method, pieces, grid=GRID, **options):
    found = calibration.load(method, options, "gq.mine")
    observer = found.observer()
    for turn in range(found.passes):
        for piece in pieces:
            observer.observe(piece, turn)
    return observer.range(grid)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", [GRID, ActivationGrid(8, symmetric=True)])
def test_split_and_order_do_not_matter(method, grid):
    values = np.random.default_rng(0).standard_cauchy(5000).astype(np.float32)
    whole = ranged(method, [values], grid)
    assert ranged(method, np.array_split(values, 37), grid) == whole
    assert ranged(method, np.array_split(values[::-1], 3), grid) == whole


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "values",
    [[], [0.0, 0.0], [2.5, 2.5], [-1e-30], [1e30, 2e30], [0.0, 1e-36], [1e-40, 2e-40], [-3e38, 3e38]],
)
def test_constant_empty_and_extreme_tensors_have_a_range(method, values):
    low, high = ranged(method, [np.array(values, np.float32)])
    parameters = GRID.spanning(low, high)
    assert parameters.scale > 0
    for value in values:
        step = max(parameters.scale, float(np.finfo(np.float32).tiny))
        assert abs(GRID.rounded(np.array([value]), parameters)[0] - value) <= step


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_grow_with_the_sample(method):
    found = calibration.load(method, {}, "gq.mine")
    observer = found.observer()
    piece = np.linspace(-1, 1, 1000, dtype=np.float32)

    def held():
        return len(pickle.dumps(observer))

    observer.observe(piece, 0)
    before = held()
    for turn in range(found.passes):
        for _ in range(50):
            observer.observe(piece, turn)
    assert held() < before + 100  # numbers that are larger take a byte more


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("histgram", {}, "did you mean 'histogram'"),
        ("percentile", {"percentle": 99.0}, "did you mean 'percentile'"),
        ("minmax", {"bins": 10}, "it has none"),
        ("percentile", {"percentile": 20.0}, "not above 50"),
        ("histogram", {"bins": 2.5}, "bins: 2.5 is not a whole number"),
    ],
)
def test_a_wrong_method_or_option_is_one_line(name, options, message):
    with pytest.raises(ConfigError, match=message) as error:
        calibration.load(name, options, "gq.mine.activations.calibration")
    assert "\n" not in str(error.value)


def test_checking_a_method_does_not_import_torch():
    code = (
        "import sys; from edgewright.gq import calibration;"
        "[calibration.load(name, {}, 'x') for name in ('minmax', 'percentile', 'histogram')];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

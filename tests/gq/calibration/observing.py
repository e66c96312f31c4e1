"""What the tests of calibration methods share: show values to an observer as calibration does."""

from edgewright.gq import calibration
from edgewright.gq.parameters import ActivationGrid

GRID = ActivationGrid(8, symmetric=False)
GRIDS = [
    ActivationGrid(bits, symmetric, power_of_two)
    for bits in (8, 16) for symmetric in (False, True) for power_of_two in (False, True)
]  # fmt: skip


def watched(observer, samples):
    """The observer after it saw each of `samples`."""
    for values in samples:
        if values.size:
            observer.observe(values, float(values.min()), float(values.max()))
    return observer


def ranged(method, samples, grid=GRID, **options):
    """The range that a method finds, and the share of values that its parameters clip."""
    observer = watched(calibration.load(method, options, "gq.mine").observer(), samples)
    ends = observer.range(grid)
    return ends, observer.outside(*grid.reach(grid.spanning(*ends))) / max(observer.values, 1)

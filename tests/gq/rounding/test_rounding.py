"""What holds for every rounding method there is; a new file is tested without a line here."""

import pytest
import torch

from edgewright import registry
from edgewright.gq.rounding import PACKAGE
from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import Grid, clipped, min_max, quantize
from tests.gq.rounding.problems import problem

METHODS = registry.names(PACKAGE)
LOOKING = [name for name in METHODS if registry.load(PACKAGE, name).Method.needs_inputs]


def made(name, **options):
    kind = registry.load(PACKAGE, name).Method
    few = {"iterations": 200} if "iterations" in kind.__dataclass_fields__ else {}
    fixed = {"compensation": 0} if "compensation" in kind.__dataclass_fields__ else {}
    return kind(**{**few, **fixed, **options})


_GRIDS = [Grid(4, True), Grid(8, True), Grid(3, False), Grid(4, True, 8), Grid(2, False, 8)]


@pytest.mark.parametrize("grid", _GRIDS, ids=str)
@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_no_row_is_worse_than_rounded_to_nearest(name, grid):
    given = problem(grid)
    found = made(name).round(given)
    assert bool((given.errors(found) <= given.errors(given.nearest)).all())
    assert found.integers.dtype == grid.dtype
    assert found.integers.shape == given.matrix.shape
    assert grid.qmin <= int(found.integers.min())
    assert int(found.integers.max()) <= grid.qmax
    assert bool((found.scale > 0).all())


@pytest.mark.parametrize("name", [name for name in LOOKING if name != "seq-mse"])
@torch.no_grad()
def test_correlated_inputs_make_it_better_at_the_same_scales(name):
    given = problem(Grid(4, True), correlation=0.9, keeps_scale=True)
    found = made(name).round(given)
    assert torch.equal(found.scale, given.nearest.scale)
    assert float(given.errors(found).sum()) < 0.7 * float(given.errors(given.nearest).sum())


@torch.no_grad()
def test_sequential_mse_narrows_the_range_that_an_unused_column_spans():
    given = problem(Grid(4, True))
    hessian = given.hessian.clone()
    hessian[0], hessian[:, 0] = 0, 0
    matrix = given.matrix.clone()
    matrix[:, 0] = matrix.abs().amax(1) * 1.9
    plain = quantize(matrix, *clipped(matrix, given.grid), given.grid)
    given = Problem(matrix, hessian, matrix, plain, False)
    found = made("seq-mse").round(given)
    assert float(given.errors(found).sum()) < 0.9 * float(given.errors(plain).sum())


@pytest.mark.parametrize("name", LOOKING)
@torch.no_grad()
def test_zero_rows_zero_inputs_and_one_input_for_all_columns(name):
    given = problem(Grid(4, True))
    matrix = given.matrix.clone()
    matrix[1] = 0
    for hessian in (torch.zeros_like(given.hessian), torch.ones_like(given.hessian)):
        plain = quantize(matrix, *min_max(matrix, given.grid), given.grid)
        found = made(name).round(Problem(matrix, hessian, matrix, plain, False))
        assert not bool(found.integers[1].any())
        assert bool(torch.isfinite(found.scale).all())


@torch.no_grad()
def test_compensation_is_the_share_of_the_way_to_the_regressed_weights():
    given = problem(Grid(4, True), regressed=1.25)
    for name in ("gptq", "adaround"):
        whole, none, usual = (made(name, compensation=share).round(given) for share in (1, 0, -1))
        assert torch.equal(whole.integers, usual.integers)
        moved = given.toward(1.0)
        assert float(moved.errors(whole).sum()) < float(moved.errors(none).sum())
        wide = problem(Grid(8, True), regressed=1.25)
        assert torch.equal(made(name, compensation=-1).round(wide).integers, made(name).round(wide).integers)


@pytest.mark.parametrize(("name", "options"), [
    ("gptq", {"damping": -1}), ("gptq", {"passes": 1.5}), ("gptq", {"compensation": 2}),
    ("adaround", {"iterations": 0}), ("adaround", {"rate": 0}), ("adaround", {"regularizer": -1}),
    ("adaround", {"compensation": -0.5}),
])
def test_options_out_of_range_are_refused(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        made(name, **options)

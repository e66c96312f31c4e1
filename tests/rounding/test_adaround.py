import pytest
import torch

from edgewright.rounding import Grid, dequantize, min_max, quantize
from edgewright.rounding.adaround import learn


def _problem(columns=40, rows=5):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(500, columns, generator=generator, dtype=torch.float64)
    inputs += 2 * torch.randn(500, 1, generator=generator, dtype=torch.float64)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64), inputs.mT @ inputs / 500


def _error(weight, matrix, hessian):
    difference = weight - matrix
    return ((difference @ hessian) * difference).sum(1)


@pytest.mark.parametrize("grid", [Grid(4, True), Grid(3, False, 8), Grid(4, True, 32, "mxfp4")], ids=str)
def test_every_weight_goes_to_a_level_beside_it_and_the_error_falls(grid):
    matrix, hessian = _problem()
    scale, zero_point = min_max(matrix, grid)
    levels = learn(matrix, scale, zero_point, grid, hessian, iterations=300)
    assert set(levels.unique().tolist()) <= set(grid.levels)
    plain = quantize(matrix, scale, zero_point, grid).dequantize()
    found = dequantize(levels, scale, zero_point, grid)
    assert bool((_error(found, matrix, hessian) <= _error(plain, matrix, hessian)).all())
    assert float(_error(found, matrix, hessian).sum()) < 0.6 * float(_error(plain, matrix, hessian).sum())
    if grid.format == "int":
        step = grid.join(scale.unsqueeze(-1).expand(*scale.shape, grid.width(40)), 40)
        inside = (matrix / step).abs() < grid.qmax - 1
        assert float(((found - matrix).abs() / step)[inside].max()) < 1.0001


def test_independent_inputs_leave_nothing_to_learn():
    matrix, _ = _problem()
    grid = Grid(4, True)
    scale, zero_point = min_max(matrix, grid)
    levels = learn(matrix, scale, zero_point, grid, torch.eye(40, dtype=torch.float64), iterations=200)
    found, plain = dequantize(levels, scale, zero_point, grid), quantize(matrix, scale, zero_point, grid).dequantize()
    # A weight halfway between two levels may go either way.
    torch.testing.assert_close((found - matrix).abs(), (plain - matrix).abs())


def test_the_scale_of_weights_and_inputs_does_not_matter():
    matrix, hessian = _problem()
    grid = Grid(3, True)
    found = [
        learn(matrix * factor, *min_max(matrix * factor, grid), grid, hessian * factor, iterations=100)
        for factor in (1.0, 2.0**-20)
    ]
    assert torch.equal(*found)


def test_exact_rows_and_rows_of_zeros_stay():
    _, hessian = _problem()
    grid = Grid(4, True)
    matrix = torch.zeros(2, 40, dtype=torch.float64)
    matrix[0, :15] = torch.arange(-7, 8)
    levels = learn(matrix, torch.ones(2, 1).double(), torch.zeros(2, 1, dtype=torch.int8), grid, hessian, iterations=50)
    assert torch.equal(levels, matrix)

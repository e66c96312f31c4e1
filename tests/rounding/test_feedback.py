import pytest
import torch

from edgewright.rounding import Grid, dequantize, min_max, quantize
from edgewright.rounding.feedback import factor, feed_back


def _problem(columns=150, rows=6):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, columns, generator=generator, dtype=torch.float64)
    inputs = inputs @ torch.randn(columns, columns, generator=generator, dtype=torch.float64)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64), inputs.mT @ inputs / 400


def _gptq(matrix, scale, grid, hessian, damping):
    """Algorithm 1 of the paper, in blocks of one column, without an order."""
    weights, integers = matrix.clone(), torch.empty_like(matrix)
    damped = hessian + damping * hessian.diagonal().mean() * torch.eye(len(hessian), dtype=hessian.dtype)
    inverse = torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)
    group = torch.arange(matrix.shape[1]) // grid.width(matrix.shape[1])
    for index in range(matrix.shape[1]):
        step = scale[:, group[index]]
        integers[:, index] = (weights[:, index] / step).round().clamp(grid.qmin, grid.qmax)
        error = (weights[:, index] - integers[:, index] * step) / inverse[index, index]
        weights[:, index:] -= error.unsqueeze(1) * inverse[index, index:]
    return integers


def _error(matrix, restored, hessian):
    difference = restored - matrix
    return ((difference @ hessian) * difference).sum(1)


def test_it_gives_the_integers_of_the_algorithm_in_the_paper():
    matrix, hessian = _problem()
    grid = Grid(3, True, 32)
    scale, zero_point = min_max(matrix, grid)
    order = torch.arange(150).flip(0)
    found = feed_back(matrix, scale, zero_point, grid, factor(hessian, 0.01, order))
    assert torch.equal(found, _gptq(matrix, scale, grid, hessian, 0.01))


@pytest.mark.parametrize("symmetric", [True, False])
def test_an_order_goes_with_the_groups_of_the_columns(symmetric):
    matrix, hessian = _problem()
    grid = Grid(3, symmetric, 32)
    scale, zero_point = min_max(matrix, grid)
    order = hessian.diagonal().argsort(stable=True)
    found = feed_back(matrix, scale, zero_point, grid, factor(hessian, 0.01, order))
    nearest = quantize(matrix, scale, zero_point, grid).dequantize()
    restored = dequantize(found, scale, zero_point, grid)
    assert _error(matrix, restored, hessian).sum() < 0.5 * _error(matrix, nearest, hessian).sum()


def test_columns_without_input_are_rounded_to_nearest():
    matrix, hessian = _problem(20)
    hessian[5], hessian[:, 5] = 0, 0
    grid, order = Grid(4, True), torch.arange(20)
    scale, zero_point = min_max(matrix, grid)
    found = feed_back(matrix, scale, zero_point, grid, factor(hessian, 0.0, order))
    assert torch.equal(found[:, 5].to(torch.int8), quantize(matrix, scale, zero_point, grid).integers[:, 5])
    assert factor(torch.zeros(3, 3), 0.01, torch.arange(3)) is not None


def test_no_factor_where_the_hessian_is_not_positive_definite():
    hessian = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    assert factor(hessian, 0.01, torch.arange(2)) is None
    assert factor(hessian, 2.0, torch.arange(2)) is not None


def test_rows_that_reach_an_error_are_found():
    matrix, hessian = _problem(300)
    hessian[5], hessian[:, 5] = 0, 0
    exact = _error(matrix, torch.zeros_like(matrix), hessian)
    known = factor(hessian, 0.01, hessian.diagonal().argsort(stable=True))
    share = torch.tensor([0.0, 0.5, 0.999, 1.001, 2.0, 1e9])
    assert known.reached(matrix, exact * share).tolist() == [True, True, True, False, False, False]
    assert known.reached(matrix, exact * 0.999).all()

import pytest
import torch

from edgewright.aq.reconstruction.offsets import Offsets
from edgewright.rounding import Grid, min_max, quantize

_GRIDS = [
    Grid(2, False, 4), Grid(3, True, 4), Grid(3, False, 5), Grid(4, True, None), Grid(8, False, 4),
    Grid(4, True, 32, "mxfp4"),
]  # fmt: skip


def _offsets(grid, rows=6, columns=38, seed=0):
    torch.manual_seed(seed)
    return Offsets(torch.randn(rows, columns, dtype=torch.float64), grid)


def _trained(grid):
    offsets = _offsets(grid)
    offsets.move(torch.randn_like(offsets.offset) * 0.3, torch.rand_like(offsets.factors) * 0.4)
    return offsets


@pytest.mark.parametrize("grid", _GRIDS)
def test_without_training_it_rounds_to_nearest(grid):
    offsets = _offsets(grid)
    matrix = grid.join(offsets._weights, 38)
    expected = quantize(matrix, *min_max(matrix, grid), grid)
    found = offsets.quantized()
    assert torch.equal(found.integers, expected.integers)
    assert torch.equal(found.scale, expected.scale)
    assert torch.equal(found.zero_point, expected.zero_point)


@pytest.mark.parametrize("grid", _GRIDS)
def test_trained_integers_lie_on_the_grid_and_are_what_was_evaluated(grid):
    offsets = _trained(grid)
    weight = offsets.quantized()
    assert set(weight.integers.unique().tolist()) <= set(grid.levels)
    assert bool((weight.scale > 0).all())
    torch.testing.assert_close(weight.dequantize(), offsets.dequantized(), rtol=0, atol=0)
    if grid.format == "mxfp4":
        assert bool((torch.frexp(weight.scale)[0] == 0.5).all())


@pytest.mark.parametrize("grid", [grid for grid in _GRIDS if grid.format == "int"])
def test_gradients_are_those_of_straight_through_rounding(grid):
    offsets = _trained(grid)
    outer = torch.randn(6, 38, dtype=torch.float64)
    by_offset, by_factors = offsets.gradients(outer)

    def through(value):
        return value + (torch.round(value) - value).detach()

    offset, factors = offsets.offset.clone().requires_grad_(), offsets.factors.clone().requires_grad_()
    low, high = offsets._range * factors
    if grid.symmetric:
        scale, zero = torch.maximum(-low, high) / ((grid.qmax - grid.qmin) / 2), torch.zeros_like(low)
    else:
        scale = (high - low) / (grid.qmax - grid.qmin)
        zero = grid.qmin - through(low / scale)
    levels = through(offsets._weights / scale.unsqueeze(-1) + offset) + zero.unsqueeze(-1)
    value = (levels.clamp(grid.qmin, grid.qmax) - zero.unsqueeze(-1)) * scale.unsqueeze(-1)
    torch.testing.assert_close(grid.join(value, 38), offsets.dequantized())
    expected_offset, expected_factors = torch.autograd.grad((grid.join(value, 38) * outer).sum(), [offset, factors])
    torch.testing.assert_close(by_offset * scale.unsqueeze(-1), expected_offset)
    steps = (grid.qmax - grid.qmin) / (2 if grid.symmetric else 1)
    torch.testing.assert_close(by_factors * offsets._range.abs() / (steps if grid.symmetric else 1), expected_factors)


@pytest.mark.parametrize("grid", _GRIDS)
def test_a_step_against_the_gradient_lowers_a_smooth_loss(grid):
    offsets = _offsets(grid)
    target = grid.join(offsets._weights, 38) * 0.8
    first = float((offsets.dequantized() - target).square().sum())
    for _ in range(40):
        by_offset, by_factors = offsets.gradients(offsets.dequantized() - target)
        offsets.move(0.02 * by_offset.sign(), 0.01 * by_factors.sign())
    assert float((offsets.dequantized() - target).square().sum()) < first


@pytest.mark.parametrize("grid", _GRIDS)
def test_the_search_lowers_the_weighted_error(grid):
    offsets = _offsets(grid)
    matrix, weighting = grid.join(offsets._weights, 38), torch.rand(6, 38, dtype=torch.float64) ** 4

    def error():
        return grid.split((offsets.dequantized() - matrix).square() * weighting).sum(-1)

    before = error()
    offsets.clip(weighting)
    after = error()
    assert bool((after <= before).all())
    assert bool((offsets.factors <= 1).all())
    if grid.bits < 8 and grid.format == "int":
        assert float(after.sum()) < float(before.sum())


def test_zeros_stay_zero():
    offsets = Offsets(torch.cat((torch.zeros(2, 8), torch.randn(2, 8)), 1), Grid(3, False, 8))
    offsets.move(torch.randn(2, 2, 8) * 9, torch.rand(2, 2, 2))
    assert not offsets.dequantized()[:, :8].any()


def test_offsets_and_factors_keep_their_bounds():
    offsets = _offsets(Grid(3, False, 4))
    for far in (9.0, -9.0):
        offsets.move(torch.full_like(offsets.offset, far), torch.full_like(offsets.factors, far))
        assert float(offsets.offset.abs().max()) == 0.5
        assert 0 < float(offsets.factors.min()) <= float(offsets.factors.max()) <= 1

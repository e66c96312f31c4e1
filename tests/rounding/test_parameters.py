import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.errors import InputError
from edgewright.rounding import Grid, check, clipped, group_errors, min_max, quantize, rounded, tiles

_GRIDS = st.builds(Grid, st.integers(2, 8), st.booleans(), st.sampled_from([None, 4, 5]))


def test_symmetric_scale_spans_the_range():
    scale, zero_point = min_max(torch.tensor([[-3.0, 1.5]]), Grid(4, True))
    assert scale.item() == pytest.approx(3 / 7.5)
    assert zero_point.tolist() == [[0]]


def test_asymmetric_keeps_zero_exact():
    matrix = torch.tensor([[-1.0, 0.0, 3.0, 0.2], [1.0, 2.0, 3.0, 4.0], [-4.0, -3.0, -2.0, -1.0]])
    weight = quantize(torch.nn.functional.pad(matrix, (0, 1)), *min_max(matrix, Grid(4, False)), Grid(4, False))
    assert weight.dequantize()[:, -1].tolist() == [0.0, 0.0, 0.0]
    assert torch.allclose(weight.dequantize()[:, :-1], matrix, atol=0.16)


@pytest.mark.parametrize("symmetric", [True, False])
def test_zero_and_tiny_rows_are_exact_or_finite(symmetric):
    grid = Grid(4, symmetric, 2)
    matrix = torch.tensor([[0.0, 0.0, 1.0, -1.0], [1e-45, 0.0, 3e38, -3e38]])
    scale, zero_point = min_max(matrix, grid)
    weight = quantize(matrix, scale, zero_point, grid).dequantize()
    assert bool((scale > 0).all())
    assert weight[0, :2].tolist() == [0.0, 0.0]
    assert bool(torch.isfinite(weight).all())


@settings(max_examples=40, deadline=None)
@given(grid=_GRIDS, seed=st.integers(0, 10_000), moments=st.booleans())
def test_clipping_is_never_worse(grid, seed, moments):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(4, 13, generator=generator) ** 3
    width = grid.width(13)
    inputs = torch.randn(grid.groups(13), 40, width, generator=generator)
    second = inputs.mT @ inputs / 40 if moments else None
    plain = group_errors(matrix, rounded(matrix, *min_max(matrix, grid), grid), grid, second)
    best = group_errors(matrix, rounded(matrix, *clipped(matrix, grid, second), grid), grid, second)
    assert bool((best <= plain * 1.0001 + 1e-12).all())


def test_clipping_finds_an_outlier():
    matrix = torch.cat((torch.linspace(-1, 1, 63), torch.tensor([2.0]))).unsqueeze(0)
    grid = Grid(3, True)
    assert clipped(matrix, grid)[0].item() < min_max(matrix, grid)[0].item()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_by_name(value):
    with pytest.raises(InputError, match=r"model\.up: weights are NaN or infinite"):
        check(torch.tensor([[1.0, value]]), Grid(4, True), "model.up")


def test_a_group_larger_than_the_row_is_refused_by_name():
    with pytest.raises(InputError, match=r"model\.up: group of 32 is larger than its row of 20 columns"):
        check(torch.zeros(2, 20), Grid(4, True, 32), "model.up")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mxfp4_has_half_the_shared_scale_of_the_specification(dtype):
    sizes = [0.9, 1.0, 4.0, 5.9, 7.99, 8.0, 1e-45, 3e38]
    scale, zero_point = min_max(torch.tensor(sizes, dtype=dtype).unsqueeze(1), Grid(4, True, 1, "mxfp4"))
    exponents = (2 * scale).log2().flatten().tolist()
    assert exponents[:6] == [-3, -2, 0, 0, 0, 1]
    assert exponents[6] == (-125 if dtype == torch.float32 else -127)
    assert exponents[7] == 125
    assert not zero_point.any()


def test_mxfp4_zeros_are_exact():
    grid = Grid(4, True, 2, "mxfp4")
    matrix = torch.tensor([[0.0, 0.0, 1.0, -3.0]])
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    assert torch.equal(weight.dequantize(), matrix)


def test_clipping_of_mxfp4_may_take_the_power_of_two_above():
    grid = Grid(4, True, 4, "mxfp4")
    matrix = torch.tensor([[7.9, -7.9, 7.9, 0.0]])
    assert clipped(matrix, grid)[0].item() == 2 * min_max(matrix, grid)[0].item()


def test_clipping_in_parts_gives_what_one_row_gives(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    matrix, grid = torch.randn(7, 12, generator=generator) ** 3, Grid(3, False, 4)
    moments = torch.rand(7, 3, 4, 4, generator=generator)
    moments = moments @ moments.mT
    whole = clipped(matrix, grid, moments)
    monkeypatch.setattr("edgewright.rounding.parameters.PIECE", 24)
    for one, other in zip(clipped(matrix, grid, moments), whole, strict=True):
        assert torch.equal(one, other)


def test_a_diagonal_second_moment_weighs_columns():
    matrix, other, grid = torch.zeros(1, 4), torch.ones(1, 4), Grid(4, True, 2)
    diagonal = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert group_errors(matrix, other, grid, diagonal).tolist() == [[3.0, 8.0]]
    assert group_errors(matrix, other, grid, torch.diag_embed(diagonal)).tolist() == [[3.0, 8.0]]


def test_tiles_lie_on_the_diagonal():
    hessian = torch.arange(25.0).reshape(5, 5)
    found = tiles(hessian, Grid(4, True, 2))
    assert found.tolist() == [[[0, 1], [5, 6]], [[12, 13], [17, 18]], [[24, 0], [0, 0]]]

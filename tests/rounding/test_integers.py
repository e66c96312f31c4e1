import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.rounding import Grid, dequantize, min_max, nearest, quantize, rounded

_GRIDS = st.builds(Grid, st.integers(2, 8), st.booleans(), st.sampled_from([None, 1, 4, 5]))


@settings(max_examples=60, deadline=None)
@given(grid=_GRIDS, seed=st.integers(0, 10_000), power=st.integers(-30, 30))
def test_rounding_is_within_half_a_step_and_idempotent(grid, seed, power):
    matrix = torch.randn(6, 13, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    scale, zero_point = min_max(matrix, grid)
    weight = quantize(matrix, scale, zero_point, grid)
    assert weight.integers.dtype == torch.int8
    assert grid.qmin <= int(weight.integers.min())
    assert int(weight.integers.max()) <= grid.qmax
    error = grid.split(weight.dequantize() - matrix).abs()
    # Symmetric: the largest value lies half a step outside of the grid at most; asymmetric: the zero point is rounded.
    assert bool((error <= scale.unsqueeze(-1) * 1.0001).all())
    again = quantize(weight.dequantize(), scale, zero_point, grid)
    assert torch.equal(again.integers, weight.integers)
    assert torch.equal(rounded(matrix, scale, zero_point, grid), weight.dequantize())


def test_dequantize_agrees_with_torchao():
    import torchao.quantization.quant_primitives  # noqa: F401

    grid = Grid(4, False, 8)
    matrix = torch.randn(5, 24)
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    other = torch.ops.torchao.dequantize_affine(
        weight.integers, [1, 8], weight.scale, weight.zero_point, torch.int8, grid.qmin, grid.qmax
    )
    assert torch.equal(weight.dequantize(), other)


def test_float_zero_points():
    grid = Grid(4, False)
    value = dequantize(torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor([[2.0]]), torch.tensor([[0.5]]), grid)
    assert value.tolist() == [[1.0, 3.0]]


def test_a_float_zero_point_is_added_before_rounding():
    positions, zero_point = torch.tensor([0.2, 0.4, -9.0]), torch.tensor([0.3])
    assert nearest(positions, zero_point, Grid(4, False)).tolist() == [0.0, 1.0, -8.0]


def test_mxfp4_rounds_half_to_the_even_mantissa_and_saturates():
    grid = Grid(4, True, 32, "mxfp4")
    positions = torch.tensor([0.5, 1.5, 2.5, 3.5, 5.0, 7.0, 10.0, 10.1, 90.0])
    expected = torch.tensor([0.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 12.0, 12.0])
    zero_point = torch.zeros(1, dtype=torch.int8)
    assert torch.equal(nearest(positions, zero_point, grid), expected)
    assert torch.equal(nearest(-positions, zero_point, grid), -expected)


def test_mxfp4_takes_the_nearest_level():
    grid = Grid(4, True, 32, "mxfp4")
    positions = torch.linspace(-14, 14, 2001, dtype=torch.float64)
    found = nearest(positions, torch.zeros(1, dtype=torch.int8), grid)
    distances = (positions[:, None] - torch.tensor(grid.levels)).abs()
    torch.testing.assert_close((positions - found).abs(), distances.amin(1), rtol=0, atol=1e-12)


def test_mxfp4_passes_through_the_dequantize_operator():
    import torchao.quantization.quant_primitives  # noqa: F401

    grid = Grid(4, True, 32, "mxfp4")
    matrix = torch.randn(5, 64)
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    assert set(weight.integers.unique().tolist()) <= set(grid.levels)
    other = torch.ops.torchao.dequantize_affine(
        weight.integers, [1, 32], weight.scale, weight.zero_point, torch.int8, grid.qmin, grid.qmax
    )
    assert torch.equal(weight.dequantize(), other)

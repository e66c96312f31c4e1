import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.rounding import Grid, dequantize, min_max, quantize, rounded

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

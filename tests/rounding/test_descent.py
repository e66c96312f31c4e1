import pytest
import torch

from edgewright.rounding import Grid, dequantize, min_max, quantize
from edgewright.rounding.descent import descend


@pytest.mark.parametrize("grid", [
    Grid(3, True, 32), Grid(2, False, 32), Grid(4, True), Grid(3, False, 140), Grid(4, True, 32, "mxfp4"),
], ids=str)  # fmt: skip
def test_each_pass_lowers_the_error_of_each_row(grid):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 150, generator=generator, dtype=torch.float64) @ torch.randn(
        150, 150, generator=generator, dtype=torch.float64
    )
    hessian = inputs.mT @ inputs / 300
    hessian[7], hessian[:, 7] = 0, 0
    matrix = torch.randn(5, 150, generator=generator, dtype=torch.float64)
    scale, zero_point = min_max(matrix, grid)
    levels = quantize(matrix, scale, zero_point, grid).integers.double()
    before = torch.full((5,), torch.inf)
    for passes in range(4):
        found, fitted = descend(matrix, levels, scale, zero_point, grid, hessian, passes)
        difference = dequantize(found, fitted, zero_point, grid) - matrix
        error = ((difference @ hessian) * difference).sum(1)
        assert bool((error <= before * (1 + 1e-9)).all())
        assert set(found.unique().tolist()) <= set(grid.levels)
        assert bool((fitted > 0).all())
        if grid.format == "mxfp4":
            assert torch.equal(fitted, scale)
        if passes == 1:
            assert float(error.sum()) < 0.8 * float(before.sum())
        before = error

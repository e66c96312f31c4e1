"""Weight matrices to be rounded."""

import torch

from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import clipped, min_max, quantize


def problem(grid, correlation=0.5, rows=6, columns=24, keeps_scale=False, regressed=1.0, seed=0):
    """A problem whose input columns share a part of what they are; `regressed` scales the weights."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    matrix = normal(rows, columns)
    inputs = (1 - correlation) * normal(2000, columns) + correlation * normal(2000, 1)
    parameters = min_max(matrix, grid) if grid.bits >= 8 else clipped(matrix, grid)
    nearest = quantize(matrix, *parameters, grid)
    return Problem(matrix, inputs.mT @ inputs / 2000, regressed * matrix, nearest, keeps_scale)

"""Between float matrices and integers on a grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid


@dataclass(frozen=True, slots=True)
class QuantizedWeight:
    """A weight matrix as integers.

    Attributes:
        integers: `grid.dtype` [rows, columns], of `grid.levels`.
        scale: float [rows, groups], positive.
        zero_point: `grid.dtype` [rows, groups], or float for an algorithm that fits it freely (HQQ).
        grid: the grid they lie on.
    """

    integers: Tensor
    scale: Tensor
    zero_point: Tensor
    grid: Grid

    def dequantize(self) -> Tensor:
        """The weights that the integers stand for, [rows, columns] in the dtype of `scale`."""
        return dequantize(self.integers, self.scale, self.zero_point, self.grid)


def quantize(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> QuantizedWeight:
    """Round `matrix` [rows, columns] to nearest, half to even, on the grid that the parameters span.

    `scale` and `zero_point` are [rows, groups]; see `nearest`.
    """
    return QuantizedWeight(_levels(matrix, scale, zero_point, grid).to(grid.dtype), scale, zero_point, grid)


def dequantize(integers: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """(integers - zero_point) * scale, [rows, columns] in the dtype of `scale`."""
    split = grid.split(integers.to(scale.dtype)) - zero_point.to(scale.dtype).unsqueeze(-1)
    return grid.join(split * scale.unsqueeze(-1), integers.shape[1])


def rounded(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """`quantize` followed by `dequantize` without the detour over integers, for searches."""
    return dequantize(_levels(matrix, scale, zero_point, grid), scale, zero_point, grid)


def nearest(positions: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """The integers of `grid`, as floats, nearest to `positions`: weights over their scale, counted from the zero point.

    integers = clamp(round(positions) + zero point, qmin, qmax), half to even; a float zero point is added before
    rounding. MXFP4 rounds half to the even mantissa and saturates (OCP MX 1.0, section 5.3).

    Args:
        positions: any shape.
        zero_point: broadcasts against it.
        grid: whose integers.
    """
    if grid.format == "mxfp4":
        return snapped(positions.clone(), grid)
    if zero_point.is_floating_point():
        return snapped(positions + zero_point, grid)
    return torch.round(positions).add_(zero_point).clamp_(grid.qmin, grid.qmax)


def snapped(levels: Tensor, grid: Grid) -> Tensor:
    """`levels` (floats of any shape, the zero point in them), each moved in place to the nearest integer of `grid`."""
    if grid.format == "mxfp4":
        size = levels.abs()
        step = 1 + (size >= 4).to(levels.dtype) + 2 * (size >= 8).to(levels.dtype)
        return levels.div_(step).round_().mul_(step).clamp_(grid.qmin, grid.qmax)
    return levels.round_().clamp_(grid.qmin, grid.qmax)


def _levels(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    split = grid.split(matrix) / scale.unsqueeze(-1)
    return grid.join(nearest(split, zero_point.unsqueeze(-1), grid), matrix.shape[1])

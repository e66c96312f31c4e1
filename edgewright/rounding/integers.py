"""Between float matrices and integers on a grid."""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid


@dataclass(frozen=True, slots=True)
class QuantizedWeight:
    """A weight matrix as integers.

    Attributes:
        integers: int8 [rows, columns], in `grid.qmin` .. `grid.qmax`.
        scale: float [rows, groups], positive.
        zero_point: int8 [rows, groups], or float for an algorithm that fits it freely (HQQ).
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

    integers = clamp(round(matrix / scale) + zero_point, qmin, qmax), `scale` and `zero_point` [rows, groups].
    """
    return QuantizedWeight(_levels(matrix, scale, zero_point, grid).to(torch.int8), scale, zero_point, grid)


def dequantize(integers: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """(integers - zero_point) * scale, [rows, columns] in the dtype of `scale`."""
    split = grid.split(integers.to(scale.dtype)) - zero_point.to(scale.dtype).unsqueeze(-1)
    return grid.join(split * scale.unsqueeze(-1), integers.shape[1])


def rounded(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    """`quantize` followed by `dequantize` without the detour over int8, for searches."""
    return dequantize(_levels(matrix, scale, zero_point, grid), scale, zero_point, grid)


def _levels(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid) -> Tensor:
    split = torch.round(grid.split(matrix) / scale.unsqueeze(-1)) + zero_point.to(scale.dtype).unsqueeze(-1)
    return grid.join(split.clamp_(grid.qmin, grid.qmax), matrix.shape[1])

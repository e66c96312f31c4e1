"""The uniform integer grid that weights are rounded to."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_NARROW_BITS = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """Signed integers of `bits` bits with one scale and zero point for each group of columns.

    Attributes:
        bits: 2 to 8.
        symmetric: the zero point is 0; else it is an integer of the grid.
        group: columns of a row that share a scale; None is the whole row (per channel). The last group
            may be shorter than the others (172 columns in groups of 32).
    """

    bits: int
    symmetric: bool
    group: int | None = None

    @property
    def qmin(self) -> int:
        """Smallest integer. Symmetric 8-bit grids leave -128 out, as integer kernels want it."""
        narrow = self.symmetric and self.bits == _NARROW_BITS
        return -(1 << (self.bits - 1)) + int(narrow)

    @property
    def qmax(self) -> int:
        """Largest integer."""
        return (1 << (self.bits - 1)) - 1

    def width(self, columns: int) -> int:
        """Columns in a group of a row of `columns`."""
        return columns if self.group is None else self.group

    def groups(self, columns: int) -> int:
        """Groups in a row of `columns`."""
        return -(-columns // self.width(columns))

    def split(self, matrix: Tensor) -> Tensor:
        """`matrix` [rows, columns] as [rows, groups, width], a ragged last group filled up with zeros."""
        rows, columns = matrix.shape
        missing = self.groups(columns) * self.width(columns) - columns
        full = functional.pad(matrix, (0, missing)) if missing else matrix
        return full.reshape(rows, -1, self.width(columns))

    def join(self, split: Tensor, columns: int) -> Tensor:
        """The inverse of `split`: [rows, groups, width] as [rows, columns]."""
        return split.reshape(split.shape[0], -1)[:, :columns]


def smallest_scale(dtype: torch.dtype) -> float:
    """The scale below which dividing by it overflows; scales are never smaller."""
    return float(torch.finfo(dtype).tiny)

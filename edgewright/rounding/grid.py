"""The grid of integers that weights are rounded to."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

_NARROW_BITS = 8
_MXFP4 = (0, 1, 2, 3, 4, 6, 8, 12)
_MXFP4_MAX = _MXFP4[-1]


@dataclass(frozen=True, slots=True)
class Grid:
    """Signed integers of `bits` bits with one scale and zero point for each group of columns.

    The format `mxfp4` (OCP Microscaling Formats (MX) Specification 1.0, section 5.2) takes of them those that are
    twice a number of E2M1: 0, 1, 2, 3, 4, 6, 8, 12 and their negatives. Its scale is half of the shared E8M0
    scale of the block, a power of two; it has 4 bits, is symmetric, and its group is 32.

    Attributes:
        bits: 2 to 8, or 16.
        symmetric: the zero point is 0; else it is an integer of the grid.
        group: columns of a row that share a scale; None is the whole row (per channel). The last group
            may be shorter than the others (172 columns in groups of 32).
        format: `int` has all integers from `qmin` to `qmax`.
        power_of_two: scales are powers of two, so that a change of scale is a shift.
    """

    bits: int
    symmetric: bool
    group: int | None = None
    format: Literal["int", "mxfp4"] = "int"
    power_of_two: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The narrowest integer type that holds the grid, int8 or int16."""
        return torch.int8 if self.bits <= _NARROW_BITS else torch.int16

    @property
    def qmin(self) -> int:
        """Smallest integer. Symmetric 8-bit grids leave -128 out, as integer kernels want it."""
        if self.format == "mxfp4":
            return -_MXFP4_MAX
        narrow = self.symmetric and self.bits == _NARROW_BITS
        return -(1 << (self.bits - 1)) + int(narrow)

    @property
    def qmax(self) -> int:
        """Largest integer."""
        if self.format == "mxfp4":
            return _MXFP4_MAX
        return (1 << (self.bits - 1)) - 1

    @property
    def levels(self) -> tuple[int, ...]:
        """The integers of the grid, ascending."""
        values = range(self.qmin, self.qmax + 1)
        return tuple(values) if self.format == "int" else tuple(value for value in values if abs(value) in _MXFP4)

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

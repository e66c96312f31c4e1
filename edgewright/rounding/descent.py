"""Coordinate descent on the output error of a rounded matrix: one integer at a time, then the scale of a group.

With e = q - w and the gradient g = e H of half the output error e H e^T, an integer moves to the level nearest to

    q_i - g_i / H_ii

and the integers z of a group (less their zero point) get the scale of least squares, s - (z . g) / (z H z^T).
No step raises the error. Behdin et al. 2023, QuantEase, arXiv:2309.01885, section 3.2, for the integers.
"""

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import nearest

_BLOCK = 128


def descend(
    matrix: Tensor, levels: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, hessian: Tensor, passes: int
) -> tuple[Tensor, Tensor]:
    """Better integers (as floats [rows, columns]) and scales [rows, groups].

    Args:
        matrix: float weights [rows, columns].
        levels: integers to start from, as floats.
        scale: [rows, groups]. Fitted unless the grid is of powers of two.
        zero_point: int8 or float, [rows, groups]; it stays.
        grid: whose integers.
        hessian: [columns, columns].
        passes: over all columns.
    """
    work = _Descent(matrix, levels, scale, zero_point, grid, hessian)
    columns = matrix.shape[1]
    width = grid.width(columns)
    block = max(1, _BLOCK // width) * width if width <= _BLOCK else _BLOCK
    fits = grid.format == "int"
    for _ in range(passes):
        for start in range(0, columns, block):
            work.move_integers(start, min(columns, start + block), fits and width <= _BLOCK)
        if fits and width > _BLOCK:
            for start in range(0, columns, width):
                work.move_scale(start, min(columns, start + width))
    return work.levels.T.contiguous(), work.scale.T.contiguous()


class _Descent:
    """The matrices, transposed, so that a column is contiguous."""

    def __init__(
        self, matrix: Tensor, levels: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, hessian: Tensor
    ) -> None:
        self.grid, self.hessian, self.width = grid, hessian, grid.width(matrix.shape[1])
        self.weights, self.zeros = matrix.T.contiguous(), zero_point.T.contiguous()
        self.levels, self.scale = (item.T.clone(memory_format=torch.contiguous_format) for item in (levels, scale))
        group = torch.arange(matrix.shape[1], device=matrix.device) // self.width
        self.errors = (self.levels - self.zeros[group]) * self.scale[group] - self.weights

    def move_integers(self, start: int, stop: int, fit: bool) -> None:
        """Move the integers of some columns, and if `fit` the scales of their groups, which they hold whole."""
        own = self.hessian[start:stop, start:stop].contiguous()
        gradient = self.hessian[start:stop] @ self.errors
        for index, curvature in enumerate(own.diagonal().tolist()):
            if curvature <= 0:
                continue
            at = start + index
            step, zero = self.scale[at // self.width], self.zeros[at // self.width]
            restored = self.errors[at] + self.weights[at]
            level = self.levels[at] = nearest((restored - gradient[index] / curvature) / step, zero, self.grid)
            moved = (level - zero) * step - restored
            self.errors[at] += moved
            gradient.addr_(own[index], moved)
        for first in range(start, stop, self.width) if fit else ():
            last = min(stop, first + self.width)
            inner = slice(first - start, last - start)
            gradient += own[:, inner] @ self.fit(first, last, gradient[inner])

    def move_scale(self, start: int, stop: int) -> None:
        """Fit the scale of one group."""
        self.fit(start, stop, self.hessian[start:stop] @ self.errors)

    def fit(self, start: int, stop: int, gradient: Tensor) -> Tensor:
        """Fit the scale of the group of columns `start` to `stop`; what that adds to their errors."""
        group = start // self.width
        shape = self.levels[start:stop] - self.zeros[group]
        curvature = (shape * (self.hessian[start:stop, start:stop] @ shape)).sum(0)
        step = torch.where(curvature > 0, -(shape * gradient).sum(0) / curvature, 0.0)
        old = self.scale[group].clone()
        new = self.scale[group] = torch.where(old + step > old / 4, old + step, old)
        added = (new - old) * shape
        self.errors[start:stop] += added
        return added

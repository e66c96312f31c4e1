"""Coordinate descent on the output error of a rounded matrix: one integer at a time, then the scale of a group.

With e = q - w and the gradient g = e H of half the output error e H e^T, an integer moves to the level nearest to

    q_i - g_i / H_ii

and the integers z of a group (less their zero point) get the scale of least squares, s - (z . g) / (z H z^T).
No step raises the error. Behdin et al. 2023, QuantEase, arXiv:2309.01885, section 3.2, for the integers.
"""

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import snapped

_BLOCK, _RUN = 128, 32


def descend(
    matrix: Tensor, levels: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, hessian: Tensor, passes: int,
    fit_scales: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Better integers (as floats [rows, columns]) and scales [rows, groups].

    Args:
        matrix: float weights [rows, columns].
        levels: integers to start from, as floats.
        scale: [rows, groups], to start from.
        zero_point: int8 or float, [rows, groups]; it stays.
        grid: whose integers.
        hessian: [columns, columns].
        passes: over all columns.
        fit_scales: whether scales move; those of a grid of powers of two never do.
    """
    work = _Descent(matrix, levels, scale, zero_point, grid, hessian)
    columns = matrix.shape[1]
    width = grid.width(columns)
    block = max(1, _BLOCK // width) * width if width <= _BLOCK else _BLOCK
    fits = fit_scales and grid.format == "int" and not grid.power_of_two
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
        self.zeros = zero_point.T.contiguous()
        self.levels, self.scale = (item.T.clone(memory_format=torch.contiguous_format) for item in (levels, scale))
        self.group = torch.arange(matrix.shape[1], device=matrix.device) // self.width
        self.errors = (self.levels - self.zeros[self.group]) * self.scale[self.group] - matrix.T

    def move_integers(self, start: int, stop: int, fit: bool) -> None:
        """Move the integers of some columns, and if `fit` the scales of their groups, which they hold whole."""
        own = self.hessian[start:stop, start:stop].contiguous()
        gradient = self.hessian[start:stop] @ self.errors
        for first in range(start, stop, _RUN):
            run = slice(first, min(stop, first + _RUN))
            inner = slice(run.start - start, run.stop - start)
            moved = self.move_run(run, own[inner, inner], gradient[inner])
            gradient[: inner.start].addmm_(own[: inner.start, inner], moved)
            gradient[inner.stop :].addmm_(own[inner.stop :, inner], moved)
        for first in range(start, stop, self.width) if fit else ():
            last = min(stop, first + self.width)
            inner = slice(first - start, last - start)
            gradient += own[:, inner] @ self.fit(first, last, gradient[inner])

    def move_run(self, run: slice, own: Tensor, gradient: Tensor) -> Tensor:
        """Move the integers of a few columns, one after the other; what that adds to their errors [run, rows]."""
        group = self.group[run]
        step, curvature = self.scale[group], own.diagonal()
        # A column without input stays: its share of the gradient is 0.
        inverse = torch.where(curvature > 0, -1 / curvature, 0.0).unsqueeze(1) / step
        inverse.clamp_(min=torch.finfo(inverse.dtype).min)
        moved, levels = torch.empty_like(gradient), self.levels[run]
        rows = zip(levels, moved, gradient, inverse, step, strict=True)
        for index, (level, change, slope, part, size) in enumerate(rows):
            new = snapped(torch.addcmul(level, slope, part), self.grid)
            torch.sub(new, level, out=change).mul_(size)
            level.copy_(new)
            gradient.addr_(own[index], change)
        self.errors[run] += moved
        return moved

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

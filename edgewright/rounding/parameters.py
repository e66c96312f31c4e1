"""Scales and zero points of a grid for given weights."""

import torch
from torch import Tensor

from edgewright.errors import InputError
from edgewright.memory import PIECE
from edgewright.rounding.grid import Grid, smallest_scale
from edgewright.rounding.integers import rounded

CLIP_RATIOS = tuple(1.0 - step / 20 for step in range(11))
"""Shares of the range that the clipping search tries: 1.0, 0.95 .. 0.5."""
_MXFP4_RATIOS = (1.0, 2.0, 0.5)


def check(matrix: Tensor, grid: Grid, where: str) -> None:
    """Refuse weights [rows, columns] that have no place on the grid.

    Raises:
        InputError: `where` has NaN or infinite weights, or its rows are shorter than a group.
    """
    if not bool(torch.isfinite(matrix).all()):
        raise InputError(f"{where}: weights are NaN or infinite; finite weights are needed")
    columns = matrix.shape[1]
    if grid.group is not None and grid.group > columns:
        raise InputError(
            f"{where}: group of {grid.group} is larger than its row of {columns} columns; "
            "give it a smaller group, or null, or skip it"
        )


def min_max(matrix: Tensor, grid: Grid, ratio: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
    """Scale (dtype of `matrix`) and zero point (`grid.dtype`), both [rows, groups], that span `ratio` of the range.

    Symmetric: scale = max|w| / ((qmax - qmin) / 2), zero point 0.
    Asymmetric: scale = (max(w, 0) - min(w, 0)) / (qmax - qmin), zero point = qmin - round(min(w, 0) / scale).
    MXFP4: scale = 2^(floor(log2 max|w|) - 2) / 2, the shared scale of OCP MX 1.0, section 6.3, halved; it is
    clamped to E8M0 and to normal numbers of the dtype.
    A scale that must be a power of two is the next one above. A group of zeros has scale 1, so that it is exact.
    """
    split = grid.split(matrix)
    low, high = split.amin(-1).clamp_(max=0) * ratio, split.amax(-1).clamp_(min=0) * ratio
    if grid.format == "mxfp4":
        scale = _power_of_two(torch.maximum(-low, high)).mul_(2.0**-3).clamp_(2.0**-128, 2.0**126)
    elif grid.symmetric:
        scale = torch.maximum(-low, high) / ((grid.qmax - grid.qmin) / 2)
    else:
        scale = high / (grid.qmax - grid.qmin) - low / (grid.qmax - grid.qmin)
    scale = torch.where(low == high, 1.0, scale.clamp_(min=smallest_scale(scale.dtype)))
    if grid.power_of_two:
        below = _power_of_two(scale)
        scale = torch.where(below == scale, scale, 2 * below)
    if grid.symmetric:
        return scale, torch.zeros_like(scale, dtype=grid.dtype)
    zero_point = (grid.qmin - torch.round(low / scale)).clamp_(grid.qmin, grid.qmax)
    return scale, zero_point.to(grid.dtype)


def _power_of_two(values: Tensor) -> Tensor:
    """2^floor(log2 value), exact; 0 stays 0."""
    mantissa, _ = torch.frexp(values)
    return torch.where(values == 0, 0.0, values / (2 * mantissa))


def clipped(matrix: Tensor, grid: Grid, second_moment: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scale and zero point like `min_max`, each group clipped to the share of its range with the least error.

    The error of a group is |d|^2, d the difference between its rounded and its own weights, or d M d^T where
    `second_moment` M (mean of x x^T of the inputs that the group multiplies) is given, [groups, width, width] or
    [rows, groups, width, width], or [groups, width] for its diagonal alone: Lin et al. 2023, arXiv:2306.00978,
    the clipping search of section 5. Never worse than `min_max` by that error, for the whole range is tried
    first. MXFP4 tries the powers of two next to its own.
    """
    at_once = max(1, PIECE // matrix.shape[1])
    if len(matrix) > at_once:
        moments = second_moment if second_moment is not None and second_moment.ndim == 4 else None
        parts = [
            clipped(part, grid, second_moment if moments is None else moments[index * at_once : (index + 1) * at_once])
            for index, part in enumerate(matrix.split(at_once))
        ]
        return torch.cat([scale for scale, _ in parts]), torch.cat([zero for _, zero in parts])
    best = torch.full(grid.split(matrix).shape[:2], torch.inf, dtype=matrix.dtype, device=matrix.device)
    chosen = torch.ones_like(best)
    for ratio in _MXFP4_RATIOS if grid.format == "mxfp4" else CLIP_RATIOS:
        parameters = min_max(matrix, grid, ratio)
        error = group_errors(matrix, rounded(matrix, *parameters, grid), grid, second_moment)
        better = error < best
        best, chosen = torch.where(better, error, best), torch.where(better, ratio, chosen)
    return min_max(matrix, grid, chosen)


def group_errors(matrix: Tensor, other: Tensor, grid: Grid, second_moment: Tensor | None = None) -> Tensor:
    """Squared error [rows, groups] between two matrices [rows, columns], as `clipped` defines it."""
    difference = grid.split(other - matrix)
    if second_moment is None:
        return difference.square().sum(-1)
    if second_moment.ndim == difference.ndim - 1:
        return (difference.square() * second_moment).sum(-1)
    if second_moment.ndim == difference.ndim:
        weighted = torch.einsum("rgi,gij->rgj", difference, second_moment)
    else:
        weighted = torch.einsum("rgi,rgij->rgj", difference, second_moment)
    return (weighted * difference).sum(-1)


def tiles(hessian: Tensor, grid: Grid) -> Tensor:
    """Tiles [..., groups, width, width] on the diagonal of `hessian` [..., columns, columns], one for each group.

    They are the `second_moment` of `clipped`; what a ragged last group lacks is 0.
    """
    columns = hessian.shape[-1]
    width = grid.width(columns)
    result = hessian.new_zeros(*hessian.shape[:-2], grid.groups(columns), width, width)
    for index, start in enumerate(range(0, columns, width)):
        stop = min(columns, start + width)
        result[..., index, : stop - start, : stop - start] = hessian[..., start:stop, start:stop]
    return result

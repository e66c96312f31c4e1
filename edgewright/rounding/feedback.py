"""Rounding column by column, where the columns to come make up for the error of those that are done.

For a row w of weights, its rounded form q and e = q - w, the output error is e H e^T = |e L|^2 with the Cholesky
factor H = L L^T. From the last column to the first, q_i is the level nearest to

    w_i - (sum over j > i of e_j L_ji) / L_ii

which is the step of GPTQ (Frantar et al. 2022, arXiv:2210.17323, equation 2 and algorithm 1) without the inverse
of H: Chee et al. 2023, QuIP, arXiv:2307.13304, theorem 6. Columns are taken in blocks of 128, as there.
"""

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import nearest

_BLOCK = 128


def factor(hessian: Tensor, damping: float, order: Tensor) -> Tensor | None:
    """Unit lower triangle U of H = U D U^T, [columns, columns]; None where `hessian` is not positive definite.

    Args:
        hessian: H [columns, columns], symmetric, float32 or float64.
        damping: share of the mean of its diagonal that is added to the diagonal first. A column that has no
            input gets a whole mean.
        order: int64 [columns], the order of the columns in U.
    """
    damped = hessian[order.unsqueeze(1), order]
    diagonal = damped.diagonal()
    mean = diagonal.mean()
    diagonal += damping * mean + torch.where(diagonal == 0, torch.where(mean == 0, 1.0, mean), 0.0)
    result, info = torch.linalg.cholesky_ex(damped)
    if int(info) != 0:
        wide, info = torch.linalg.cholesky_ex(damped.double())
        result = wide.to(hessian.dtype)
    if int(info) != 0 or not bool(torch.isfinite(result).all()):
        return None
    return result.div_(result.diagonal().clone())


def feed_back(
    matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, triangle: Tensor, order: Tensor
) -> Tensor:
    """Integers, as floats [rows, columns], for `matrix` [rows, columns].

    Args:
        matrix: float weights.
        scale: [rows, groups], groups of columns in their own order.
        zero_point: int8 or float, [rows, groups].
        grid: whose integers.
        triangle: of `factor`.
        order: that of `triangle`; the last column is rounded first, so that the most important belongs there.
    """
    columns = matrix.shape[1]
    weights = matrix.T[order]
    group = (order // grid.width(columns)).tolist()
    scales, zeros = scale.T.contiguous(), zero_point.T.contiguous()
    errors, levels = torch.empty_like(weights), torch.empty_like(weights)
    for stop in range(columns, 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        own = triangle[start:stop, start:stop].contiguous()
        targets = weights[start:stop] - triangle[stop:, start:stop].T @ errors[stop:]
        for index in range(stop - start - 1, -1, -1):
            at = start + index
            step, zero = scales[group[at]], zeros[group[at]]
            level = levels[at] = nearest(targets[index] / step, zero, grid)
            error = errors[at] = (level - zero) * step - weights[at]
            targets[:index].addr_(own[index, :index], error, alpha=-1)
    result = torch.empty_like(matrix)
    result[:, order] = levels.T
    return result

"""Rounding column by column, where the columns to come make up for the error of those that are done.

For a row w of weights, its rounded form q and e = q - w, the output error is e H e^T = |e L|^2 with the Cholesky
factor H = L L^T. From the last column to the first, q_i is the level nearest to

    w_i - (sum over j > i of e_j L_ji) / L_ii

which is the step of GPTQ (Frantar et al. 2022, arXiv:2210.17323, equation 2 and algorithm 1) without the inverse
of H: Chee et al. 2023, QuIP, arXiv:2307.13304, theorem 6. Columns are taken in blocks of 128, as there, and in runs
of 32 within a block, whose errors reach the columns before them in one product.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import snapped

_BLOCK, _RUN = 128, 32


@dataclass(frozen=True, slots=True)
class Factor:
    """H + diag(added) = U D U^T, all in the order of columns that rounding goes through backwards.

    Attributes:
        order: int64 [columns].
        triangle: U, unit lower, [columns, columns].
        pivots: D, [columns].
        added: damping of the diagonal, [columns].
    """

    order: Tensor
    triangle: Tensor
    pivots: Tensor
    added: Tensor

    def reached(self, difference: Tensor, limits: Tensor) -> Tensor:
        """Whether the output error d H d^T of each row d of `difference` [rows, columns] is at least `limits` [rows].

        The error is a sum of squares over columns (less the damping's); it is left when all rows have enough.
        """
        errors = difference.T[self.order]
        total = -(self.added @ errors.square())
        for start in range(0, len(errors), _BLOCK):
            part = self.triangle[start:, start : start + _BLOCK].T @ errors[start:]
            total += self.pivots[start : start + _BLOCK] @ part.square_()
            if bool((total >= limits).all()):
                break
        return total >= limits


def factor(hessian: Tensor, damping: float, order: Tensor) -> Factor | None:
    """The factor of `hessian`; None where it is not positive definite.

    Args:
        hessian: H [columns, columns], symmetric, float32 or float64.
        damping: share of the mean of its diagonal that is added to the diagonal first. A column that has no
            input gets a whole mean.
        order: int64 [columns], the order of the columns in the factor.
    """
    damped = hessian[order.unsqueeze(1), order]
    diagonal = damped.diagonal()
    mean = diagonal.mean()
    added = damping * mean + torch.where(diagonal == 0, torch.where(mean == 0, 1.0, mean), 0.0)
    diagonal += added
    result, info = torch.linalg.cholesky_ex(damped)
    if int(info) != 0:
        wide, info = torch.linalg.cholesky_ex(damped.double())
        result = wide.to(hessian.dtype)
    if int(info) != 0 or not bool(torch.isfinite(result).all()):
        return None
    roots = result.diagonal().clone()
    return Factor(order, result.div_(roots), roots.square(), added)


def feed_back(matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, factor: Factor) -> Tensor:
    """Integers, as floats [rows, columns], for `matrix` [rows, columns].

    Args:
        matrix: float weights.
        scale: [rows, groups], groups of columns in their own order.
        zero_point: int8 or float, [rows, groups].
        grid: whose integers.
        factor: of the Hessian; its last column is rounded first, so that the most important belongs there.
    """
    order, triangle = factor.order, factor.triangle
    columns = matrix.shape[1]
    weights, group = matrix.T[order], order // grid.width(columns)
    scales, zeros = scale.T, zero_point.T.to(matrix.dtype)
    errors, levels = torch.empty_like(weights), torch.empty_like(weights)
    for stop in range(columns, 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        own = triangle[start:stop, start:stop].contiguous()
        targets = torch.addmm(weights[start:stop], triangle[stop:, start:stop].T, errors[stop:], alpha=-1)
        for last in range(stop, start, -_RUN):
            first = max(start, last - _RUN)
            run, inner = slice(first, last), slice(first - start, last - start)
            step, zero = scales[group[run]], zeros[group[run]]
            levels[run], errors[run] = _run(targets[inner], own[inner, inner], step, zero, weights[run], grid)
            targets[: inner.start].addmm_(own[inner, : inner.start].T, errors[run], alpha=-1)
    result = torch.empty_like(matrix)
    result[:, order] = levels.T
    return result


def _run(
    targets: Tensor, own: Tensor, step: Tensor, zero: Tensor, weights: Tensor, grid: Grid
) -> tuple[Tensor, Tensor]:
    """Levels and errors [run, rows] of a few columns; what they get from columns behind them is in `targets`."""
    inverse, base = step.reciprocal(), torch.addcmul(weights, zero, step).neg_()
    levels, errors = torch.empty_like(targets), torch.empty_like(targets)
    rows = zip(levels, errors, targets, inverse, zero, base, step, strict=True)
    for index, (level, error, target, part, offset, other, size) in reversed(list(enumerate(rows))):
        snapped(torch.addcmul(offset, target, part, out=level), grid)
        torch.addcmul(other, level, size, out=error)
        targets[:index].addr_(own[index, :index], error, alpha=-1)
    return levels, errors

"""AdaRound: learn for each weight whether it is rounded down or up.

    minimize  tr((Q - W) H (Q - W)^T) + regularizer * sum(1 - |2 h(V) - 1|^beta)
    Q = scale (lower + h(V) (upper - lower) - zero point),    h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1)

over V by Adam; lower and upper are the levels of the grid on either side of a weight, and V starts where h(V) is the
weight's own place between them. H is E[x x^T] of what the matrix multiplies, so that the first term is the squared
output error over the whole sample and not over a batch. beta falls from 20 to 2 along a cosine, after a fifth of the
steps without regularizer. Nagel et al. 2020, arXiv:2004.10568, sections 3 and 4; the errors of a row count relative to
that of rounding it to nearest, so that neither the learning rate nor the regularizer depends on its scale.
"""

import math

import torch
from torch import Tensor

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import dequantize, nearest

_STRETCH, _SHIFT = 1.2, -0.1
_WARM = 0.2
_FIRST_BETA, _LAST_BETA = 20.0, 2.0


def learn(
    matrix: Tensor, scale: Tensor, zero_point: Tensor, grid: Grid, hessian: Tensor,
    iterations: int = 1000, rate: float = 0.05, regularizer: float = 1.0,
) -> Tensor:  # fmt: skip
    """Integers, as floats [rows, columns]; a row that came out worse than rounded to nearest is rounded to nearest.

    Args:
        matrix: float weights [rows, columns].
        scale, zero_point: [rows, groups]; they stay.
        grid: whose integers.
        hessian: [columns, columns].
        iterations: steps of Adam, each over the whole matrix.
        rate: of Adam.
        regularizer: weight of the second term.
    """
    columns = matrix.shape[1]
    split_scale, zeros = scale.unsqueeze(-1), zero_point.to(matrix.dtype).unsqueeze(-1)
    positions = grid.split(matrix) / split_scale
    plain = grid.join(nearest(positions, zero_point.unsqueeze(-1), grid), columns)
    allowed = _errors(dequantize(plain, scale, zero_point, grid) - matrix, hessian)
    levels = torch.tensor(grid.levels, dtype=matrix.dtype, device=matrix.device)
    index = (torch.searchsorted(levels, (positions + zeros).contiguous(), right=True) - 1).clamp_(0, len(levels) - 2)
    lower, upper = levels[index], levels[index + 1]
    place = ((positions + zeros - lower) / (upper - lower)).clamp_(0, 1)
    known = torch.where(allowed > 0, columns / torch.where(allowed > 0, allowed, 1.0), 0.0).unsqueeze(1)
    state = torch.nn.Parameter(torch.logit((place - _SHIFT) / _STRETCH))
    optimizer = torch.optim.Adam([state], lr=rate)
    with torch.no_grad():
        for step in range(iterations):
            curve = torch.sigmoid(state)
            share = (_STRETCH * curve + _SHIFT).clamp_(0, 1)
            weight = grid.join((lower + share * (upper - lower) - zeros) * split_scale, columns)
            slope = grid.split(2 * known * ((weight - matrix) @ hessian)) * split_scale * (upper - lower)
            done = step / iterations
            if done >= _WARM:
                wave = (1 + math.cos(math.pi * (done - _WARM) / (1 - _WARM))) / 2
                beta = _LAST_BETA + (_FIRST_BETA - _LAST_BETA) * wave
                from_middle = 2 * share - 1
                slope -= 2 * regularizer * beta * from_middle.abs().pow(beta - 1) * from_middle.sign()
            inside = (share > 0) & (share < 1)
            state.grad = slope * inside * (_STRETCH * curve * (1 - curve))
            optimizer.step()
        share = _STRETCH * torch.sigmoid(state.detach()) + _SHIFT
        found = grid.join(torch.where(share >= 0.5, upper, lower), columns)
        errors = _errors(dequantize(found, scale, zero_point, grid) - matrix, hessian)
        return torch.where((errors <= allowed).unsqueeze(1), found, plain)


def _errors(difference: Tensor, hessian: Tensor) -> Tensor:
    return ((difference @ hessian) * difference).sum(1)

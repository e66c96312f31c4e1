"""A weight matrix to be rounded, and the error that counts."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewright.rounding import Grid, QuantizedWeight, clipped, quantize, tiles

_WIDEST_TILE = 256


@dataclass(frozen=True, slots=True)
class Problem:
    """A float matrix, what it multiplies, and how it is rounded to nearest.

    The error of a row q of integers times scales is (q - w) H (q - w)^T: the squared error of its output on the
    quantized inputs.

    Attributes:
        matrix: W, float64 [rows, columns].
        hessian: H, float64 [columns, columns]: E[x x^T] of the quantized inputs, or their covariance where a bias
            takes the mean of the error.
        regressed: the matrix that gives the float program's outputs on the quantized inputs with the least squared
            error, float64 [rows, columns]; W where the two programs agree up to here.
        nearest: W rounded to nearest, scale and zero point float64 or int [rows, groups].
        keeps_scale: the scales are given: by an override, or because rows share them.
    """

    matrix: Tensor
    hessian: Tensor
    regressed: Tensor
    nearest: QuantizedWeight
    keeps_scale: bool

    @property
    def grid(self) -> Grid:
        """The integers."""
        return self.nearest.grid

    def toward(self, share: float) -> "Problem":
        """The problem with W moved by `share` of the way to the regressed matrix, which then counts as exact."""
        matrix = self.matrix + share * (self.regressed - self.matrix)
        rounded = quantize(matrix, self.nearest.scale, self.nearest.zero_point, self.grid)
        return replace(self, matrix=matrix, nearest=rounded)

    def errors(self, weight: QuantizedWeight) -> Tensor:
        """The error of each row, [rows]."""
        difference = weight.dequantize() - self.matrix
        return ((difference @ self.hessian) * difference).sum(1)

    def scales(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point of each group with the least output error when rounded to nearest."""
        if self.keeps_scale:
            return self.nearest.scale, self.nearest.zero_point
        wide = self.grid.width(self.matrix.shape[1]) > _WIDEST_TILE
        moments = self.grid.split(self.hessian.diagonal()[None])[0] if wide and self.grid.group else None
        return clipped(self.matrix, self.grid, tiles(self.hessian, self.grid) if moments is None else moments)

    def no_worse(self, weight: QuantizedWeight) -> QuantizedWeight:
        """`weight`, with the rows that came out worse than rounded to nearest replaced by those."""
        plain = self.nearest
        keep = (self.errors(weight) <= self.errors(plain)).unsqueeze(1)
        return QuantizedWeight(
            torch.where(keep, weight.integers, plain.integers),
            torch.where(keep, weight.scale, plain.scale),
            torch.where(keep, weight.zero_point, plain.zero_point),
            self.grid,
        )

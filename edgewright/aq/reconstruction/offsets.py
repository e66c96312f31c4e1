"""The trainable rounding of some rows of a weight matrix."""

from dataclasses import replace

import torch
from torch import Tensor

from edgewright.rounding import Grid, QuantizedWeight, min_max, nearest
from edgewright.rounding.parameters import CLIP_RATIOS

_SMALLEST_FACTOR = 0.01


class Offsets:
    """Rounding offsets V, and factors alpha and beta of the smallest and the largest weight of each group.

        low = alpha min(w, 0),    high = beta max(w, 0)
        integers = clamp(round(w / scale + V) + zero point),    scale and zero point spanning low .. high

    with V in [-0.5, 0.5], alpha and beta in [0, 1]; 0 and 1 are rounding to nearest. Gradients pass `round` as if
    it were not there, and `clamp` where it does nothing. On MXFP4, V counts in steps of the grid around the
    weight, and the scale, a power of two, has the gradient of a scale that is none.

    Attributes:
        offset: V, [rows, groups, width].
        factors: alpha and beta, [2, rows, groups].
    """

    def __init__(self, matrix: Tensor, grid: Grid) -> None:
        self.grid, self.columns = grid, matrix.shape[1]
        self._weights = grid.split(matrix)
        self._range = torch.stack((self._weights.amin(-1).clamp_(max=0), self._weights.amax(-1).clamp_(min=0)))
        self._ends = replace(grid, group=2)
        self.offset = torch.zeros_like(self._weights)
        self.factors = torch.ones_like(self._range)

    def parameters(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point (int8), [rows, groups]."""
        ends = (self._range * self.factors).movedim(0, -1)
        scale, zero_point = min_max(ends.reshape(-1, 2), self._ends)
        return scale.reshape(ends.shape[:-1]), zero_point.reshape(ends.shape[:-1])

    def quantized(self) -> QuantizedWeight:
        """The integers that the offsets and factors give."""
        scale, zero_point = self.parameters()
        levels = self._levels(self._positions(scale), zero_point)
        return QuantizedWeight(self.grid.join(levels, self.columns).to(torch.int8), scale, zero_point, self.grid)

    def dequantized(self) -> Tensor:
        """What the integers stand for, [rows, columns]."""
        scale, zero_point = self.parameters()
        levels = self._levels(self._positions(scale), zero_point)
        return self.grid.join(levels.sub_(zero_point.unsqueeze(-1)).mul_(scale.unsqueeze(-1)), self.columns)

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the loss with respect to `offset` and `factors`, each element up to a constant above 0.

        Args:
            gradient: of the loss with respect to `dequantized`, [rows, columns].
        """
        scale, zero_point = self.parameters()
        positions = self._positions(scale)
        levels = self._levels(positions, zero_point).sub_(zero_point.unsqueeze(-1))
        split = self.grid.split(gradient)
        reach = 2.0 if self.grid.format == "mxfp4" else 0.5
        low, high = ((end - zero_point.to(scale.dtype)).unsqueeze(-1) for end in (self.grid.qmin, self.grid.qmax))
        free = split * ((positions > low - reach) & (positions < high + reach))
        # d loss / d scale and d loss / d zero point, summed over the group.
        by_scale = (split * levels).sum(-1) - (free * self._weights).sum(-1) / scale
        by_zero = (free - split).sum(-1) * scale
        return free, self._by_factors(by_scale, by_zero, scale)

    def move(self, offset: Tensor, factors: Tensor) -> None:
        """Subtract from the offsets and the factors, and keep them in their bounds."""
        self.offset.sub_(offset).clamp_(-0.5, 0.5)
        self.factors.sub_(factors).clamp_(_SMALLEST_FACTOR, 1)

    def clip(self, weighting: Tensor) -> None:
        """Set alpha = beta where that lowers the squared rounding error of a group.

        Args:
            weighting: of the squared error of each weight, [rows, columns].
        """
        split = self.grid.split(weighting)
        least = torch.full(self.factors.shape[1:], torch.inf, dtype=split.dtype, device=split.device)
        best = torch.ones_like(least)
        for ratio in CLIP_RATIOS:
            self.factors.fill_(ratio)
            error = ((self.grid.split(self.dequantized()) - self._weights).square_() * split).sum(-1)
            best = torch.where(error < least, ratio, best)
            least = torch.minimum(least, error)
        self.factors.copy_(best)

    def _positions(self, scale: Tensor) -> Tensor:
        positions = self._weights / scale.unsqueeze(-1)
        if self.grid.format == "int":
            return positions.add_(self.offset)
        size = positions.abs()
        return positions.addcmul_(self.offset, 1 + (size >= 4).to(size.dtype) + 2 * (size >= 8).to(size.dtype))

    def _levels(self, positions: Tensor, zero_point: Tensor) -> Tensor:
        return nearest(positions, zero_point.unsqueeze(-1), self.grid)

    def _by_factors(self, by_scale: Tensor, by_zero: Tensor, scale: Tensor) -> Tensor:
        """Gradient with respect to alpha and beta, [2, rows, groups], up to positive factors of each."""
        low, high = self._range * self.factors
        if self.grid.symmetric:
            return torch.stack((by_scale * (-low >= high), by_scale * (high >= -low)))
        steps = self.grid.qmax - self.grid.qmin
        # scale = (high - low) / steps, zero point = qmin - low / scale; alpha enlarges low downwards.
        by_range = (by_scale + by_zero * low / scale.square()) / steps
        return torch.stack((by_range + by_zero / scale, by_range)) * (self._range != 0)

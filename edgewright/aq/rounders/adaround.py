"""AdaRound: learn for each weight of a layer whether it is rounded down or up.

    minimize  tr((Q - W) H (Q - W)^T),    H = mean of x x^T

The mathematics is that of `edgewright.rounding.adaround`; a group's scale is that of the share of its range with the
least output error (`scales: search`). Layers see the outputs of the blocks before them as quantized. A row that came
out worse than rounded to nearest is rounded to nearest.

```yaml
aq:
  adaround-w4: {algorithms: [adaround], bits: 4, group: 32, options: {adaround: {iterations: 1000}}}
```
Nagel et al. 2020, Up or Down? Adaptive Rounding for Post-Training Quantization, arXiv:2004.10568, sections 3 and 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions
from edgewright.aq.statistics import Statistic
from edgewright.parallel import ordered_map
from edgewright.rounding import Grid, QuantizedWeight, clipped, min_max, quantize, tiles
from edgewright.rounding.adaround import learn

_ROWS = 256
_WIDEST_TILE = 256


class Options(AlgorithmOptions):
    """Options of AdaRound.

    Attributes:
        iterations: steps of Adam.
        rate: of Adam.
        regularizer: weight of what draws each weight to one of its two levels.
        scales: `search` narrows the range of a group where that lowers its output error, as `clip: true` always
            does; `range` takes the whole.
    """

    iterations: PositiveInt = 1000
    rate: PositiveFloat = 0.05
    regularizer: float = Field(1.0, ge=0)
    scales: Literal["search", "range"] = "search"


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a layer that are rounded at once, and the Hessian of what they multiply."""

    layer: Layer
    rows: slice
    hessian: Tensor


class Algorithm:
    """AdaRound."""

    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.HESSIAN})
    quantized_inputs: ClassVar[bool] = True
    targets: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    def round(self, block: Block, layers: Sequence[str]) -> Iterator[tuple[str, QuantizedWeight]]:
        """Yield each layer."""
        pieces = {name: list(_pieces(block.layers[name], block.statistics(name).hessian)) for name in layers}
        found = ordered_map(self._round_piece, (piece for name in layers for piece in pieces[name]))
        for name in layers:
            parts = list(islice(found, len(pieces[name])))
            yield name, QuantizedWeight(
                torch.cat([part.integers for part in parts]),
                torch.cat([part.scale for part in parts]),
                torch.cat([part.zero_point for part in parts]),
                block.layers[name].grid,
            )

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """Squared output error, summed over the outputs of all layers."""
        total = 0.0
        for name, weight in weights.items():
            matrix = block.layers[name].matrix
            total += float(block.statistics(name).output_error(weight.dequantize() - matrix)) * matrix.shape[0]
        return total

    def _round_piece(self, piece: _Piece) -> QuantizedWeight:
        matrix, grid, hessian = piece.layer.matrix[piece.rows], piece.layer.grid, piece.hessian
        searches = piece.layer.clip or self.options.scales == "search"
        scale, zero_point = _search(matrix, grid, hessian) if searches else min_max(matrix, grid)
        options = self.options
        levels = learn(
            matrix, scale, zero_point, grid, hessian, options.iterations, options.rate, options.regularizer
        )
        found = QuantizedWeight(levels.to(grid.dtype), scale, zero_point, grid)
        plain = quantize(matrix, *min_max(matrix, grid), grid)
        error, allowed = (_row_errors(item, matrix, hessian) for item in (found, plain))
        keep = (error <= allowed).unsqueeze(1)
        return QuantizedWeight(
            torch.where(keep, found.integers, plain.integers),
            torch.where(keep, found.scale, plain.scale),
            torch.where(keep, found.zero_point, plain.zero_point),
            grid,
        )


def _pieces(layer: Layer, hessians: Tensor) -> Iterator[_Piece]:
    rows = len(layer.matrix) // len(hessians)
    for index, hessian in enumerate(hessians):
        for start in range(index * rows, (index + 1) * rows, _ROWS):
            yield _Piece(layer, slice(start, min(start + _ROWS, (index + 1) * rows)), hessian)


def _search(matrix: Tensor, grid: Grid, hessian: Tensor) -> tuple[Tensor, Tensor]:
    # The whole tile of a wide group costs as much as the rounding, and its diagonal finds about the same range.
    is_wide = grid.width(matrix.shape[1]) > _WIDEST_TILE
    return clipped(matrix, grid, grid.split(hessian.diagonal()[None])[0] if is_wide else tiles(hessian, grid))


def _row_errors(weight: QuantizedWeight, matrix: Tensor, hessian: Tensor) -> Tensor:
    difference = weight.dequantize() - matrix
    return ((difference @ hessian) * difference).sum(1)

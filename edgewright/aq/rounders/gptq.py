"""GPTQ: round column by column, and let the columns to come make up for the error of those that are done.

    minimize  tr((Q - W) H (Q - W)^T),    H = mean of x x^T

over the integers of Q, a column at a time in the order of falling H_ii (`act_order`), each to the level nearest
to its weight less the share of the errors before it (see `edgewright.rounding.feedback`). A group keeps its own
columns, whose scale is chosen before (static groups). Two things go beyond the paper: the scale is that of the
share of the group's range with the least output error (`scales: search`), and `passes` of coordinate descent
over integers and scales follow (see `edgewright.rounding.descent`). A row that came out worse than rounded to
nearest is rounded to nearest. Layers see the outputs of the blocks before them as quantized.

```yaml
aq:
  gptq-w4: {algorithms: [gptq], bits: 4, group: 32, options: {gptq: {damping: 0.01, act_order: true}}}
```
Frantar et al. 2022, GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers,
arXiv:2210.17323, sections 3 and 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions
from edgewright.aq.failure import LayerError
from edgewright.aq.statistics import Statistic
from edgewright.parallel import ordered_map
from edgewright.rounding import Grid, QuantizedWeight, clipped, min_max, quantize, tiles
from edgewright.rounding.descent import descend
from edgewright.rounding.feedback import Factor, factor, feed_back
from edgewright.rounding.output_error import row_errors

_ROWS, _ELEMENTS = 1024, 1 << 22
_WIDEST_TILE = 256


class Options(AlgorithmOptions):
    """Options of GPTQ.

    Attributes:
        damping: share of the mean of the Hessian's diagonal that is added to it.
        act_order: columns with large inputs first; else from left to right.
        scales: `search` narrows the range of a group where that lowers its output error, as `clip: true` always
            does; `range` takes the whole.
        passes: of coordinate descent over integers and scales, after GPTQ's own.
        true_sequential: layers see what the layers of their own block before them give when quantized; the
            statistics are collected anew for each.
    """

    damping: float = Field(0.01, ge=0, le=10)
    act_order: bool = True
    scales: Literal["search", "range"] = "search"
    passes: int = Field(2, ge=0, le=100)
    true_sequential: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a layer that are rounded at once, with the Hessian [columns, columns] of their inputs."""

    layer: Layer
    rows: slice
    hessian: Tensor
    factor: Factor


class Algorithm:
    """GPTQ."""

    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.HESSIAN})
    quantized_inputs: ClassVar[bool] = True
    targets: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    def round(self, block: Block, layers: Sequence[str]) -> Iterator[tuple[str, QuantizedWeight]]:
        """Yield each layer.

        Raises:
            LayerError: the Hessian of a layer is not positive definite with this damping.
        """
        leaders = {name: names[0] for names in block.structure.shared for name in names}
        stages: dict[str, list[str]] = {}
        for name in layers:
            stages.setdefault(leaders.get(name, name) if self.options.true_sequential else "", []).append(name)
        for names in stages.values():
            yield from self._round(block, names, leaders)
            if self.options.true_sequential:
                block.changed()

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """Squared output error, summed over the outputs of all layers."""
        total = 0.0
        for name, weight in weights.items():
            matrix = block.layers[name].matrix
            total += float(block.statistics(name).output_error(weight.dequantize() - matrix)) * matrix.shape[0]
        return total

    def _round(
        self, block: Block, names: Sequence[str], leaders: Mapping[str, str]
    ) -> Iterator[tuple[str, QuantizedWeight]]:
        """Round layers whose statistics are known; layers with the same input share what is made of its Hessian."""
        owners = {leaders.get(name, name): name for name in reversed(names)}
        hessians = [(leader, name, item) for leader, name in owners.items() for item in block.statistics(name).hessian]
        factors: dict[str, list[Factor]] = {}
        results = ordered_map(lambda item: self._factor(*item[1:]), hessians)
        for (leader, _, _), result in zip(hessians, results, strict=True):
            factors.setdefault(leader, []).append(result)
        pieces = {
            name: list(_pieces(block.layers[name], block.statistics(name).hessian, factors[leaders.get(name, name)]))
            for name in names
        }
        found = ordered_map(self._round_piece, (piece for name in names for piece in pieces[name]))
        for name in names:
            parts = list(islice(found, len(pieces[name])))
            yield name, QuantizedWeight(
                torch.cat([part.integers for part in parts]),
                torch.cat([part.scale for part in parts]),
                torch.cat([part.zero_point for part in parts]),
                block.layers[name].grid,
            )

    def _factor(self, name: str, hessian: Tensor) -> Factor:
        diagonal, damping = hessian.diagonal(), self.options.damping
        columns = torch.arange(len(diagonal), device=hessian.device)
        order = diagonal.argsort(stable=True) if self.options.act_order else columns.flip(0)
        found = factor(hessian, damping, order)
        if found is None:
            raise LayerError(
                name,
                f"its Hessian is not positive definite with options.gptq.damping: {damping}; raise that, calibrate on "
                "more samples, or set on_failure",
            )
        return found

    def _round_piece(self, piece: _Piece) -> QuantizedWeight:
        matrix, grid, hessian = piece.layer.matrix[piece.rows], piece.layer.grid, piece.hessian
        searches = piece.layer.clip or self.options.scales == "search"
        scale, zero_point = _search(matrix, grid, hessian) if searches else min_max(matrix, grid)
        levels = feed_back(matrix, scale, zero_point, grid, piece.factor)
        levels, scale = descend(matrix, levels, scale, zero_point, grid, hessian, self.options.passes)
        found = QuantizedWeight(levels.to(torch.int8), scale, zero_point, grid)
        error = row_errors(found.dequantize() - matrix, hessian)
        plain = quantize(matrix, *min_max(matrix, grid), grid)
        is_better = piece.factor.reached(plain.dequantize() - matrix, error).unsqueeze(1)
        return QuantizedWeight(
            torch.where(is_better, found.integers, plain.integers),
            torch.where(is_better, found.scale, plain.scale),
            torch.where(is_better, found.zero_point, plain.zero_point),
            grid,
        )


def _pieces(layer: Layer, hessians: Sequence[Tensor], factors: Sequence[Factor]) -> Iterator[_Piece]:
    rows = len(layer.matrix) // len(factors)
    at_once = max(_ROWS, _ELEMENTS // layer.matrix.shape[1])
    for index, (hessian, item) in enumerate(zip(hessians, factors, strict=True)):
        for start in range(index * rows, (index + 1) * rows, at_once):
            yield _Piece(layer, slice(start, min(start + at_once, (index + 1) * rows)), hessian, item)


def _search(matrix: Tensor, grid: Grid, hessian: Tensor) -> tuple[Tensor, Tensor]:
    # The whole tile of a wide group costs as much as the rounding, and its diagonal finds about the same range.
    is_wide = grid.width(matrix.shape[1]) > _WIDEST_TILE
    return clipped(matrix, grid, grid.split(hessian.diagonal()[None])[0] if is_wide else tiles(hessian, grid))

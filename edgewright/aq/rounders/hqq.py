"""HQQ: fit scale and zero point to the weights alone, by half-quadratic splitting.

    minimize  sum |w - s (q - z)|^p,    q = clamp(round(w / s + z), qmin, qmax)

over the scale s and the zero point z of each group. With an auxiliary e for the error, penalized by beta / 2 times
its squared distance from w - s (q - z), the steps alternate:

    e = sign(x) max(|x| - |x|^(p - 1) / beta, 0),    x = (w - s (q - z)) / s
    s, z = the least squares fit of s (q - z) to w - s e,    beta = kappa beta

With p = 2, the default, e is 0 and the steps are those of least squares; the paper's p = 0.7 gives up on the
outliers of a group for the sake of the others. The paper fits z alone; s costs nothing more and is fitted too,
and the steps start from three shares of the range, the best of all kept for each group. Its zero point is a float;
`zero_point: integer` keeps to the grid, and a symmetric grid has s alone. It needs no data. MXFP4 takes the best of
the three powers of two around its own.

```yaml
aq:
  hqq-w4: {algorithms: [hqq], bits: 4, group: 64, symmetric: false, options: {hqq: {zero_point: float}}}
```
Badri & Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models, dropbox.github.io/hqq_blog,
sections "Half-Quadratic Quantization" and "Quantization optimization".
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions
from edgewright.aq.statistics import Statistic
from edgewright.memory import PIECE
from edgewright.parallel import ordered_map
from edgewright.rounding import Grid, QuantizedWeight, min_max, nearest, quantize

_SHARES = (1.0, 0.85, 0.7)
_POWERS = (2.0, 0.5)
_LEAST_SQUARES = 2.0


class Options(AlgorithmOptions):
    """Options of HQQ.

    Attributes:
        p: exponent of the error.
        beta: weight of the quadratic penalty, for errors in units of the scale; `kappa` multiplies it each step.
        steps: from each share of the range; fewer where no group gets better.
        zero_point: of asymmetric grids.
    """

    p: float = Field(2.0, gt=0, le=2)
    beta: float = Field(10.0, gt=0)
    kappa: float = Field(1.05, ge=1)
    steps: int = Field(20, ge=0, le=1000)
    zero_point: Literal["float", "integer"] = "float"


class Algorithm:
    """HQQ."""

    statistics: ClassVar[frozenset[Statistic]] = frozenset()
    quantized_inputs: ClassVar[bool] = False
    targets: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    def round(self, block: Block, layers: Sequence[str]) -> Iterator[tuple[str, QuantizedWeight]]:
        """Yield each layer."""
        pieces = {name: list(_pieces(block.layers[name])) for name in layers}
        fits = (_Fit(*piece, self.options) for name in layers for piece in pieces[name])
        found = ordered_map(_Fit.run, fits)
        for name in layers:
            parts = list(islice(found, len(pieces[name])))
            scale, zero_point = (torch.cat([part[index] for part in parts]) for index in (0, 1))
            yield name, quantize(block.layers[name].matrix, scale, zero_point, block.layers[name].grid)

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """Sum of |w - s (q - z)|^p over all weights."""
        differences = (weight.dequantize() - block.layers[name].matrix for name, weight in weights.items())
        return sum(float(difference.abs().pow(self.options.p).sum()) for difference in differences)


def _pieces(layer: Layer) -> Iterator[tuple[Tensor, Grid]]:
    """A few rows each."""
    for part in layer.matrix.split(max(1, PIECE // layer.matrix.shape[1])):
        yield part, layer.grid


class _Fit:
    """The fit of some rows [rows, columns], as groups [rows, groups, width]; parameters are [rows, groups, 1]."""

    def __init__(self, matrix: Tensor, grid: Grid, options: Options) -> None:
        self.matrix, self.grid, self.options = matrix, grid, options
        self.split = grid.split(matrix)
        self.is_there = grid.split(torch.ones_like(matrix[:1]))
        self.counts = self.is_there.sum(-1, keepdim=True)
        self.is_float = not grid.symmetric and options.zero_point == "float"
        scale, zero_point = min_max(matrix, grid)
        self.best = torch.full_like(scale, torch.inf)
        self.scale, self.zero_point = scale, zero_point.to(scale.dtype) if self.is_float else zero_point

    def run(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point [rows, groups]; first of all those of rounding to nearest are tried."""
        self.judge(self.scale.unsqueeze(-1), self.zero_point.unsqueeze(-1))
        for share in _SHARES if self.grid.format == "int" else _POWERS:
            self.start(share)
        return self.scale, self.zero_point

    def start(self, share: float) -> None:
        """Alternate from the parameters that span a share of the range."""
        scale, zero_point = (item.unsqueeze(-1) for item in min_max(self.matrix, self.grid, share))
        if self.is_float:
            low = self.split.amin(-1, keepdim=True).clamp_(max=0) * share
            zero_point = self.grid.qmin - low / scale
        beta, before = self.options.beta, torch.full_like(self.best, torch.inf)
        for _ in range(self.options.steps if self.grid.format == "int" else 0):
            levels, error = self.judge(scale, zero_point)
            if not bool((error < before).any()):
                return
            before = error
            scale, zero_point = self.fit(levels, self.targets(levels, scale, zero_point, beta), scale, zero_point)
            beta *= self.options.kappa
        self.judge(scale, zero_point)

    def judge(self, scale: Tensor, zero_point: Tensor) -> tuple[Tensor, Tensor]:
        """Integers for these parameters and the errors [rows, groups]; kept where better than all before."""
        levels = nearest(self.split / scale, zero_point, self.grid).mul_(self.is_there)
        error = ((levels - zero_point) * scale).sub_(self.split)
        power = error.square_() if self.options.p == _LEAST_SQUARES else error.abs_().pow_(self.options.p)
        total = power.mul_(self.is_there).sum(-1)
        is_better = total < self.best
        self.best = torch.where(is_better, total, self.best)
        self.scale = torch.where(is_better, scale.squeeze(-1), self.scale)
        self.zero_point = torch.where(is_better, zero_point.squeeze(-1), self.zero_point)
        return levels, total

    def targets(self, levels: Tensor, scale: Tensor, zero_point: Tensor, beta: float) -> Tensor:
        """What the integers are fitted to: the weights less their outliers' errors."""
        if self.options.p == _LEAST_SQUARES:
            return self.split
        error = (self.split / scale - (levels - zero_point)).mul_(self.is_there)
        size = error.abs()
        kept = (size - size.clamp(min=1e-6).pow_(self.options.p - 1) / beta).clamp_(min=0)
        return self.split - scale * error.sign_().mul_(kept)

    def fit(self, levels: Tensor, targets: Tensor, scale: Tensor, zero_point: Tensor) -> tuple[Tensor, Tensor]:
        """Least squares of scale * (levels - zero point) to `targets`; a scale that is not positive stays."""
        if self.grid.symmetric:
            return _ratio((levels * targets).sum(-1, True), levels.square().sum(-1, True), scale), zero_point
        mean, middle = levels.sum(-1, True) / self.counts, targets.sum(-1, True) / self.counts
        spread = (levels - mean).mul_(self.is_there)
        slope = _ratio((spread * targets).sum(-1, True), spread.square().sum(-1, True), scale)
        zero = mean - middle / slope
        if self.is_float:
            return slope, zero
        whole = zero.round_().clamp_(self.grid.qmin, self.grid.qmax)
        centred = (levels - whole).mul_(self.is_there)
        slope = _ratio((centred * targets).sum(-1, True), centred.square().sum(-1, True), slope)
        return slope, whole.to(torch.int8)


def _ratio(numerator: Tensor, denominator: Tensor, otherwise: Tensor) -> Tensor:
    ratio = numerator / denominator
    return torch.where(torch.isfinite(ratio) & (ratio > torch.finfo(ratio.dtype).tiny), ratio, otherwise)

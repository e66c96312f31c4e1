"""AutoRound: train the rounding of a block's weights by gradient descent.

    W' = scale (clamp(round(W / scale + V) + zero point) - zero point)
    minimize |f(X; W) - f(X'; W')|^2   over V in [-0.5, 0.5] and, for each group, alpha and beta in [0, 1]

f is the block, X what it gets in the float model, X' what the quantized blocks before it give; alpha and beta
shorten the ends of a group's range, from which scale and zero point follow. Gradients pass the rounding as if it
were not there, which a weight shows by moving to and fro over the middle between two integers once its V gets there
(Nagel et al. 2022, arXiv:2203.11086, section 3). Of a column with large inputs each such move spoils the output, so
that V of a column moves in inverse proportion to the root mean square of its inputs: the diagonal of the Hessian
as a preconditioner. Of rounding to nearest and the states that are tried, the one with the least error on the
whole calibration sample stays.

```yaml
aq:
  autoround-w3: {algorithms: [autoround], bits: 3, group: 32, symmetric: false, options: {autoround: {iterations: 200}}}
```
The paper takes the sign of the gradient, a rate that falls linearly from 1 / iterations, 8 samples a step, and
starts at rounding to nearest: `{optimizer: sign, decay: 1, start: range, batch: 8, precondition: false}`. The
defaults here end with a smaller error after half of the work: Adam, a rate that falls with the cube, and
alpha = beta from a search.
The samples of a step are drawn with `seed` from the sorted calibration sample: the order that they came in
decides nothing.
Cheng et al. 2023, Optimize Weight Rounding via Signed Gradient Descent for the Quantization of LLMs,
arXiv:2309.05516, sections 3.2 and 3.3.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.reconstruction.descent import Adam, Direction, Sign
from edgewright.aq.reconstruction.match import Match
from edgewright.aq.reconstruction.minibatches import minibatches
from edgewright.aq.reconstruction.offsets import Offsets
from edgewright.aq.statistics import Statistic
from edgewright.memory import PIECE
from edgewright.parallel import ordered_map
from edgewright.rounding import QuantizedWeight

_LARGEST_RATE = 0.04
_FASTEST = 8.0
_OPTIMIZERS: Mapping[str, type[Adam] | type[Sign]] = {"adam": Adam, "sign": Sign}


class Options(AlgorithmOptions):
    """What to spend, and how.

    Attributes:
        iterations: steps for each block.
        batch: samples of a step.
        piece: samples that run at once, at most; the pieces of a step run on different cores.
        optimizer: what becomes of a gradient: `sign`, or `adam`, the mean over the root mean square of its past.
        decay: the rates fall to 0 as (1 - iteration / iterations) ** decay.
        rate: of V at the first step; by default so that the steps of `sign` add up to 0.5, the bound of V, and those
            of Adam to twice that; at most 0.04.
        clip_rate: of alpha and beta; by default that of V, half of it with Adam.
        precondition: whether the rate of V is divided by the root mean square of what its column multiplies, over the
            median of its layer; else it is one for all.
        start: alpha and beta at the first step: `range` is 1, `clipped` what rounds to nearest with the least error.
        checks: how often the error on the whole calibration sample is looked at, evenly over the second half.
        seed: of the order of the samples.
    """

    iterations: PositiveInt = 200
    batch: PositiveInt = 4
    piece: PositiveInt = 2
    optimizer: Literal["adam", "sign"] = "adam"
    decay: PositiveFloat = 3.0
    rate: PositiveFloat | None = None
    clip_rate: PositiveFloat | None = None
    precondition: bool = True
    start: Literal["clipped", "range"] = "clipped"
    checks: int = Field(2, ge=1, le=100)
    seed: int = 0

    def rates(self) -> Iterator[tuple[float, float]]:
        """Of V, and of alpha and beta, step by step."""
        is_sign = self.optimizer == "sign"
        rate = self.rate or min(_LARGEST_RATE, (self.decay + 1) / self.iterations / (2 if is_sign else 1))
        clip_rate = self.clip_rate or (rate if is_sign else rate / 2)
        for step in range(self.iterations):
            left = (1 - step / self.iterations) ** self.decay
            yield rate * left, clip_rate * left

    def checked(self) -> frozenset[int]:
        """Steps after which the error is looked at; the last is one."""
        last = self.iterations
        return frozenset(last - last * index // (2 * self.checks) for index in range(self.checks))


class Algorithm:
    """AutoRound."""

    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.MEAN_SQUARE})
    quantized_inputs: ClassVar[bool] = True
    targets: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self.options = options

    def round(self, block: Block, layers: Sequence[str]) -> Iterator[tuple[str, QuantizedWeight]]:
        """Yield the layers, all trained together.

        Raises:
            LayerError: the output error of the block is not finite; the first layer whose output is not is named.
        """
        if layers:
            yield from self._trained(block, layers).items()

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """Mean squared error of the block's outputs."""
        match = Match(block, list(weights), _targets(block), self.options.piece)
        _put(match, weights)
        return match.error()

    def _trained(self, block: Block, layers: Sequence[str]) -> Mapping[str, QuantizedWeight]:
        options = self.options
        match = Match(block, layers, _targets(block), options.piece)
        best: Mapping[str, QuantizedWeight] = {name: round_to_nearest(block.layers[name]) for name in layers}
        _put(match, best)
        least = match.error()
        chunks = [chunk for name in layers for chunk in self._chunks(block, name, match.weights[name])]
        if options.start == "clipped":
            deque(ordered_map(_Chunk.clip, chunks), maxlen=0)
        samples = minibatches(match.sizes, options.batch, options.piece, options.seed)
        checked = options.checked()
        for number, (rate, clip_rate) in enumerate(options.rates(), 1):
            gradients = match.gradients(next(samples))
            step = partial(_Chunk.step, gradients=gradients, rate=rate, clip_rate=clip_rate)
            deque(ordered_map(step, chunks), maxlen=0)
            del gradients, step  # as large as the weights, and so are the next
            if number in checked:
                error = match.error()
                if error < least:
                    least, best = error, _joined(layers, chunks)
            block.advance(number / options.iterations, f"iteration {number} of {options.iterations}")
        return best

    def _chunks(self, block: Block, name: str, trial: Tensor) -> Iterator["_Chunk"]:
        layer, optimizer = block.layers[name], _OPTIMIZERS[self.options.optimizer]
        matrix, written = layer.matrix, trial.data.flatten(1)
        by_group = block.statistics(name).mean_square
        squares = _by_row(by_group, layer)
        paces = _by_row(_paces(by_group) if self.options.precondition else torch.ones_like(by_group), layer)
        count = max(1, PIECE // matrix.shape[1])
        for start in range(0, matrix.shape[0], count):
            rows = slice(start, start + count)
            offsets = Offsets(matrix[rows], layer.grid)
            yield _Chunk(
                name, rows, offsets, written[rows], squares[rows], layer.grid.split(paces[rows]), optimizer(),
                optimizer(),
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A few rows of a layer.

    Attributes:
        layer: its name.
        rows: which.
        offsets: what is trained.
        trial: what the block multiplies by, [rows, columns].
        squares: mean square of what each weight multiplies, [rows, columns].
        paces: what the rate of each offset is multiplied by, [rows, groups, width].
        optimizer: of the offsets.
        clip_optimizer: of the clipping.
    """

    layer: str
    rows: slice
    offsets: Offsets
    trial: Tensor
    squares: Tensor
    paces: Tensor
    optimizer: Direction
    clip_optimizer: Direction

    def clip(self) -> None:
        """Start from clipped ranges."""
        self.offsets.clip(self.squares)
        self.trial.copy_(self.offsets.dequantized())

    def step(self, gradients: Mapping[str, Tensor], rate: float, clip_rate: float) -> None:
        """One step of the descent."""
        offset, factors = self.offsets.gradients(gradients[self.layer].flatten(1)[self.rows])
        moved = self.optimizer(offset).mul_(rate).mul_(self.paces)
        self.offsets.move(moved, self.clip_optimizer(factors).mul_(clip_rate))
        self.trial.copy_(self.offsets.dequantized())


def _by_row(values: Tensor, layer: Layer) -> Tensor:
    """[weight groups, columns] for each row of the matrix, [rows, columns]; a view where there is one group."""
    rows, columns = layer.matrix.shape
    return values.unsqueeze(1).expand(-1, rows // len(values), -1).reshape(rows, columns)


def _paces(squares: Tensor) -> Tensor:
    """Median root mean square of the columns that have inputs over that of each, in the shape of `squares`."""
    typical = squares.where(squares > 0, torch.nan).nanmedian()
    return (typical / squares).sqrt_().nan_to_num_(1.0).clamp_(max=_FASTEST)


def _joined(layers: Sequence[str], chunks: Sequence[_Chunk]) -> dict[str, QuantizedWeight]:
    found = {}
    for name in layers:
        parts = [chunk.offsets.quantized() for chunk in chunks if chunk.layer == name]
        found[name] = QuantizedWeight(
            torch.cat([part.integers for part in parts]),
            torch.cat([part.scale for part in parts]),
            torch.cat([part.zero_point for part in parts]),
            parts[0].grid,
        )
    return found


def _put(match: Match, weights: Mapping[str, QuantizedWeight]) -> None:
    for name, weight in weights.items():
        trial = match.weights[name].data
        trial.copy_(weight.dequantize().reshape(trial.shape))


def _targets(block: Block) -> Sequence[Tensor]:
    """What the float model gives; where the driver gives none, what the block gives as it is."""
    return block.targets or [block.run(batch) for batch in range(block.batches)]

"""AWQ: scale the input channels that carry large activations up before rounding.

    y = (W diag(s)) (diag(s)^-1 x),    s = m^alpha / sqrt(max(m^alpha) min(m^alpha)),    m = mean |x|

alpha is searched per pair of producer and consumers, for the least squared error of the consumers' outputs
when their scaled weights are rounded to nearest. diag(s)^-1 is folded into the producer: the scale of a
normalization, a layer before it, the `up` projection before `down` in a gated MLP, the value projection
before the output projection (with grouped-query attention the heads of a group share their factors). The
error is evaluated from the Hessian of the input, so that no alpha needs a run of the model.

```yaml
aq:
  awq-w4: {algorithms: [awq], bits: 4, group: 32, clip: true, options: {awq: {steps: 20}}}
```
`clip: true` is the second part of the paper, the clipping search; it lies in the rounder.
Lin et al. 2023, AWQ: Activation-aware Weight Quantization, arXiv:2306.00978, section 3.2.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions, Applied, Skipped
from edgewright.aq.statistics import Statistic
from edgewright.aq.structure import Consumer, Pair, spread
from edgewright.rounding import min_max, rounded

_CHUNK_ELEMENTS = 1 << 22


class Options(AlgorithmOptions):
    """`steps` values of alpha are tried: 0, 1/steps .. up to but without 1."""

    steps: int = Field(20, ge=1, le=200)


class Algorithm:
    """AWQ's scaling."""

    scope: ClassVar[Literal["block", "model"]] = "block"
    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.MEAN_MAGNITUDE})

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, block: Block, layers: Sequence[str]) -> Applied:
        """Scale the pairs of the block whose consumers take this transform, as far as they are quantized."""
        wanted, done = set(layers), set[str]()
        skipped = {name: block.structure.unpaired.get(name, "its producer is not quantized with it") for name in layers}
        for pair in block.structure.pairs:
            consumers = [item for item in pair.consumers if item.layer in block.layers]
            others = [item.layer for item in consumers if item.layer not in wanted]
            names = [item.layer for item in consumers if item.layer in wanted]
            if others:
                skipped |= dict.fromkeys(names, f"{others[0]}, which reads the same input, takes other algorithms")
            elif names and done.isdisjoint(names):
                pair.scale(self.factors(block, pair, consumers), block.model)
                done |= set(names)
        if done:
            block.changed()
        left = (Skipped(name, reason) for name, reason in skipped.items() if name not in done)
        return Applied(tuple(name for name in layers if name in done), tuple(left))

    def factors(self, block: Block, pair: Pair, consumers: Sequence[Consumer]) -> Tensor:
        """The best factors [channels] of a pair; all 1 where no scaling helps."""
        magnitude = _per_channel(block, pair, consumers)
        alphas = torch.arange(self.options.steps, dtype=magnitude.dtype) / self.options.steps
        powers = magnitude.clamp(min=1e-4) ** alphas.unsqueeze(1)
        own = powers[:, pair.free]
        candidates = torch.where(pair.free, powers / (own.amax(1) * own.amin(1)).sqrt().unsqueeze(1), 1.0)
        errors = torch.zeros_like(alphas)
        for consumer in consumers:
            errors += _errors(block, block.layers[consumer.layer], consumer, candidates)
        return candidates[int(errors.argmin())]


def _per_channel(block: Block, pair: Pair, consumers: Sequence[Consumer]) -> Tensor:
    """Mean |x| of each channel of the producer, over the input channels that it reaches."""
    consumer = consumers[0]
    magnitude = block.statistics(consumer.layer).mean_magnitude
    assert magnitude is not None
    reached = consumer.channels >= 0
    index = consumer.channels[reached]
    sums = magnitude.new_zeros(pair.channels).index_add_(0, index, magnitude[reached])
    counts = magnitude.new_zeros(pair.channels).index_add_(0, index, torch.ones_like(magnitude[reached]))
    return sums / counts.clamp(min=1)


def _errors(block: Block, layer: Layer, consumer: Consumer, candidates: Tensor) -> Tensor:
    """Squared output error of a layer, summed over its outputs, for each row of `candidates` [n, channels]."""
    statistics, weight = block.statistics(layer.name), layer.weight
    at_once = max(1, _CHUNK_ELEMENTS // weight.numel())
    errors = []
    for part in candidates.split(at_once):
        factors = spread(part, consumer, layer.module).to(weight.dtype)
        scaled = (weight * factors).reshape(-1, layer.matrix.shape[1])
        restored = rounded(scaled, *min_max(scaled, layer.grid), layer.grid).reshape(-1, *weight.shape) / factors
        errors.append(statistics.output_error((restored - weight).flatten(2)) * weight.shape[0])
    return torch.cat(errors)

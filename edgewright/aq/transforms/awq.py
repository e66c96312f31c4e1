"""AWQ: scale the input channels that carry large activations up before rounding.

    y = (W diag(s)) (diag(s)^-1 x),    s = m^alpha / sqrt(max(m^alpha) min(m^alpha)),    m = mean |x|

alpha is searched per pair of producer and consumers, for the least squared error of the consumers' outputs
when their scaled weights are rounded to nearest. diag(s)^-1 is folded into the producer: the scale of a
normalization, a layer before it, the `up` projection before `down` in a gated MLP, the value projection
before the output projection (with grouped-query attention the heads of a group share their factors). The
error is evaluated from the Hessian of the input, so that no alpha needs a run of the model, and for a layer of
more than 512 outputs on 512 of them.

```yaml
aq:
  awq-w4: {algorithms: [awq], bits: 4, group: 32, clip: true, options: {awq: {steps: 20}}}
```
`clip: true` is the second part of the paper, the clipping search; it lies in the rounder.
Lin et al. 2023, AWQ: Activation-aware Weight Quantization, arXiv:2306.00978, section 3.2.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions, Applied
from edgewright.aq.scaling import mean_by_channel, scale_pairs
from edgewright.aq.statistics import Statistic, Statistics
from edgewright.aq.structure import Consumer, Pair, spread
from edgewright.parallel import ordered_map
from edgewright.rounding import min_max, rounded

_ROWS = 512
"""Outputs of a layer that the search looks at, evenly spread: they rank the alphas as all of them do."""


class Options(AlgorithmOptions):
    """`steps` values of alpha are tried: 0, 1/steps .. up to but without 1."""

    steps: int = Field(20, ge=1, le=200)


class Algorithm:
    """AWQ's scaling."""

    scope: ClassVar[Literal["block", "model"]] = "block"
    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.HESSIAN, Statistic.MEAN_MAGNITUDE})

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, block: Block, layers: Sequence[str]) -> Applied:
        """Scale the pairs of the block whose consumers take this transform, as far as they are quantized."""
        return scale_pairs(block, layers, partial(self.factors, block))

    def factors(self, block: Block, pair: Pair, consumers: Sequence[Consumer]) -> Tensor:
        """The best factors [channels] of a pair; all 1 where no scaling helps."""
        statistics = block.statistics(consumers[0].layer)
        assert statistics.mean_magnitude is not None
        magnitude = mean_by_channel(statistics.mean_magnitude, pair, consumers[0])
        alphas = torch.arange(self.options.steps, dtype=magnitude.dtype, device=magnitude.device) / self.options.steps
        powers = magnitude.clamp(min=1e-4) ** alphas.unsqueeze(1)
        own = powers[:, pair.free]
        candidates = torch.where(pair.free, powers / (own.amax(1) * own.amin(1)).sqrt().unsqueeze(1), 1.0)
        errors = torch.zeros_like(alphas)
        for consumer in consumers:
            error = partial(_error, block.layers[consumer.layer], consumer, block.statistics(consumer.layer))
            errors += torch.stack([item.cpu() for item in ordered_map(error, candidates)])
        return candidates[int(errors.argmin())]


def _error(layer: Layer, consumer: Consumer, statistics: Statistics, factors: Tensor) -> Tensor:
    """Squared output error of a layer whose inputs are divided by `factors` [channels], summed over its outputs."""
    rows = torch.arange(0, len(layer.weight), -(-len(layer.weight) // _ROWS) if len(statistics.hessian) == 1 else 1)
    weight, own = layer.weight[rows], spread(factors, consumer, layer.module).to(layer.weight)
    own = own if len(own) == 1 else own[rows]
    scaled = (weight * own).flatten(1)
    restored = rounded(scaled, *min_max(scaled, layer.grid), layer.grid).reshape(weight.shape) / own
    return statistics.output_error((restored - weight).flatten(1)) * len(layer.weight)

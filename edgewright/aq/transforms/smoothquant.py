"""SmoothQuant: move the range of activation channels into the weights, so that both are easy to quantize.

    y = (W diag(s)) (diag(s)^-1 x),    s_j = max|x_j|^alpha / max|W_j|^(1 - alpha)

x_j is input channel j over the calibration sample, W_j what the weights of all consumers multiply it by.
diag(s)^-1 is folded into the producer of the pair as in AWQ. With alpha = 0.5 the largest activation and the
largest weight of a channel become equal; a larger alpha moves more into the weights. A channel whose
activations or weights are all 0 keeps its scale.

```yaml
aq:
  smooth-w8: {algorithms: [smoothquant], bits: 8, options: {smoothquant: {alpha: 0.5}}}
```
Xiao et al. 2022, SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models,
arXiv:2211.10438, section 4.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions, Applied
from edgewright.aq.scaling import max_by_channel, scale_pairs
from edgewright.aq.statistics import Statistic
from edgewright.aq.structure import Consumer, Pair


class Options(AlgorithmOptions):
    """`alpha`: share of the activations' range that goes into the weights, 0 to 1."""

    alpha: float = Field(0.5, ge=0, le=1)


class Algorithm:
    """SmoothQuant's scaling."""

    scope: ClassVar[Literal["block", "model"]] = "block"
    statistics: ClassVar[frozenset[Statistic]] = frozenset({Statistic.MAX_MAGNITUDE})

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, block: Block, layers: Sequence[str]) -> Applied:
        """Scale the pairs of the block whose consumers take this transform, as far as they are quantized."""
        return scale_pairs(block, layers, partial(self.factors, block))

    def factors(self, block: Block, pair: Pair, consumers: Sequence[Consumer]) -> Tensor:
        """What the channels of the producer are divided by, [channels]; 1 where they are not free."""
        activation = weight = torch.zeros(())
        for consumer in consumers:
            layer = block.layers[consumer.layer]
            largest = block.statistics(layer.name).max_magnitude
            assert largest is not None
            activation = torch.maximum(activation, max_by_channel(largest, pair, consumer))
            weight = torch.maximum(weight, max_by_channel(_largest_weights(layer), pair, consumer))
        factors = activation**self.options.alpha / weight ** (1 - self.options.alpha)
        return torch.where(pair.free & (activation > 0) & (weight > 0), factors, 1.0)


def _largest_weights(layer: Layer) -> Tensor:
    """Largest magnitude that multiplies each input channel, [in]."""
    weight, module = layer.weight.abs(), layer.module
    if not isinstance(module, nn.Conv2d):
        return weight.amax(0)
    return weight.amax((2, 3)).unflatten(0, (module.groups, -1)).amax(1).flatten()

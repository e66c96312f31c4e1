"""RTN: round to nearest.

    q = clamp(round(w / scale) + zero point, qmin, qmax)

with the scale and zero point of the whole range of a group, or with `clip: true` of the share of it that
gives the least error (see `edgewright.rounding.clipped`).

```yaml
aq:
  rtn-w4: {algorithms: [rtn], bits: 4, group: 32, symmetric: true, clip: false}
```
Nagel et al. 2021, A White Paper on Neural Network Quantization, arXiv:2106.08295, sections 2.1 and 3.1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from torch import Tensor

from edgewright.aq.block import Block, Layer
from edgewright.aq.contract import AlgorithmOptions
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.statistics import Statistic, Statistics
from edgewright.parallel import ordered_map
from edgewright.rounding import QuantizedWeight, clipped, group_errors, quantize, tiles


class Options(AlgorithmOptions):
    """RTN has no options of its own."""


class Algorithm:
    """Round to nearest. With `clip` the error of a group is that of its share of the output, else of its weights."""

    statistics: ClassVar[frozenset[Statistic]] = frozenset()
    quantized_inputs: ClassVar[bool] = False
    targets: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    def round(self, block: Block, layers: Sequence[str]) -> Iterator[tuple[str, QuantizedWeight]]:
        """Yield each layer, rounded."""
        known = [(layer, block.statistics(layer.name)) for layer in map(block.layers.__getitem__, layers)]
        yield from zip(layers, ordered_map(lambda item: _rounded(*item), known), strict=True)

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """Sum over groups of the squared error that `round` minimizes."""
        total = 0.0
        for name, weight in weights.items():
            layer = block.layers[name]
            moment = group_moments(layer, block.statistics(name)) if layer.clip else None
            total += float(group_errors(layer.matrix, weight.dequantize(), layer.grid, moment).sum())
        return total


def _rounded(layer: Layer, statistics: Statistics) -> QuantizedWeight:
    if not layer.clip:
        return round_to_nearest(layer)
    moment = group_moments(layer, statistics)
    return quantize(layer.matrix, *clipped(layer.matrix, layer.grid, moment), layer.grid)


def group_moments(layer: Layer, statistics: Statistics) -> Tensor:
    """Second moments of the inputs that each group multiplies, cut from the diagonal of the Hessian.

    [groups, width, width], or [out, groups, width, width] for a convolution with groups of channels.
    """
    moments = tiles(statistics.hessian, layer.grid)
    if len(moments) == 1:
        return moments[0]
    return moments.repeat_interleave(layer.matrix.shape[0] // len(moments), 0)

"""Plain rounding to nearest, what every rounder is measured against."""

from edgewright.aq.block import Layer
from edgewright.rounding import QuantizedWeight, min_max, quantize


def round_to_nearest(layer: Layer) -> QuantizedWeight:
    """The layer's weights rounded to nearest on the whole range of each group."""
    return quantize(layer.matrix, *min_max(layer.matrix, layer.grid), layer.grid)

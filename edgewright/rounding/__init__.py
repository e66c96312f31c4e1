"""Rounding of weights to a grid of integers, shared by aq and gq: pure torch, any float dtype."""

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import QuantizedWeight, dequantize, nearest, quantize, rounded
from edgewright.rounding.parameters import check, clipped, group_errors, min_max, tiles

__all__ = [
    "Grid",
    "QuantizedWeight",
    "check",
    "clipped",
    "dequantize",
    "group_errors",
    "min_max",
    "nearest",
    "quantize",
    "rounded",
    "tiles",
]

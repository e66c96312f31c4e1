"""Rounding of weights to a uniform integer grid, shared by aq and gq: pure torch, any float dtype."""

from edgewright.rounding.grid import Grid
from edgewright.rounding.integers import QuantizedWeight, dequantize, quantize, rounded
from edgewright.rounding.parameters import check, clipped, group_errors, min_max

__all__ = [
    "Grid",
    "QuantizedWeight",
    "check",
    "clipped",
    "dequantize",
    "group_errors",
    "min_max",
    "quantize",
    "rounded",
]

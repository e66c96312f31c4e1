"""Calibration and holdout samples: open a source, preprocess, draw, validate."""

from edgewright.datasets.sample import Sample
from edgewright.datasets.sampling import Drawn, draw

__all__ = ["Drawn", "Sample", "draw"]

"""Calibration and holdout samples: open a source, preprocess, draw, validate."""

from edgewright.datasets.sample import Sample, Samples
from edgewright.datasets.sample_file import SampleFile
from edgewright.datasets.sampling import Drawn, draw

__all__ = ["Drawn", "Sample", "SampleFile", "Samples", "draw"]

"""Metrics of an artifact on held-out data."""

from edgewright.evaluate.evaluate import Run, evaluate
from edgewright.evaluate.metric import PRIMARY, metric_class

__all__ = ["PRIMARY", "Run", "evaluate", "metric_class"]

"""Two artifacts of a chain, operator by operator: how far they are apart, and which operator makes the difference."""

from edgewright.compare.artifact import Artifact, load
from edgewright.compare.compare import compare
from edgewright.compare.comparison import Comparison, Module, NotCompared, Parts
from edgewright.compare.sums import Figures, Sums

__all__ = ["Artifact", "Comparison", "Figures", "Module", "NotCompared", "Parts", "Sums", "compare", "load"]

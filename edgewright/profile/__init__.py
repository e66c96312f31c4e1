"""Latency, memory and operator times of compiled artifacts."""

from edgewright.profile.latency import Latency, compare
from edgewright.profile.measure import measure

__all__ = ["Latency", "compare", "measure"]

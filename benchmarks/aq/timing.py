"""Which timings count: those of a machine that nothing else used."""

from collections.abc import Mapping
from typing import Any

IDLE = 1.3
"""Load average before a worker starts, at most: that of the benchmark's own last cell, dying away, is below it."""


def is_valid(result: Mapping[str, Any]) -> bool:
    """Whether the machine was idle when the cell began, and the worker got its processors."""
    return "seconds" in result and float(result["load"]) <= IDLE


def compared(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, str]:
    """Our time over theirs: of the wall clock where both timings are valid, else of processor seconds."""
    key = "seconds" if is_valid(ours) and is_valid(theirs) else "cpu_seconds"
    return float(ours[key]) / max(float(theirs[key]), 1e-9), key.replace("_", " ")

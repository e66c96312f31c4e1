"""Latency of one or two programs, measured in turns so that both see the same machine."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """Median, 10th and 90th percentile of a run, in milliseconds."""

    median: float
    p10: float
    p90: float


def compare(
    first: Callable[[], object], second: Callable[[], object] | None, *, runs: int, warmup: int
) -> tuple[Latency, Latency | None]:
    """Time `first` and, run for run in turn with it, `second`.

    Args:
        runs: timed runs of each.
        warmup: runs of each before the first timed one.

    Returns:
        the latency of each; None for a `second` that is None.
    """
    calls = [call for call in (first, second) if call is not None]
    times: list[list[float]] = [[] for _ in calls]
    collecting = gc.isenabled()
    gc.disable()
    try:
        for index in range(warmup + runs):
            for call, found in zip(calls, times, strict=True):
                start = time.perf_counter_ns()
                call()
                elapsed = time.perf_counter_ns() - start
                if index >= warmup:
                    found.append(elapsed / 1e6)
    finally:
        if collecting:
            gc.enable()
    latencies = [_latency(found) for found in times]
    return latencies[0], latencies[1] if second is not None else None


def _latency(times: list[float]) -> Latency:
    p10, median, p90 = (float(value) for value in np.percentile(times, (10, 50, 90)))
    return Latency(median, p10, p90)

"""Results of one model and grid, gathered by method over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.aq.cells import OURS, Cell, Method
from benchmarks.aq.models import is_language

Results = Mapping[Cell, Mapping[str, Any]]


@dataclass(frozen=True)
class Entry:
    """What a method reached.

    Attributes:
        runs: results by seed, those that failed left out.
        error: what the first failure said, or ''.
    """

    method: Method
    runs: Mapping[int, Mapping[str, Any]]
    error: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is Edgewright's."""
        return self.method.package == OURS

    def values(self, key: str) -> list[float]:
        """A figure of every seed."""
        return [float(run[key]) for run in self.runs.values()]

    def mean(self, key: str, seeds: Sequence[int] | None = None) -> float:
        """The mean of a figure over the seeds."""
        return fmean(float(run[key]) for seed, run in self.runs.items() if seeds is None or seed in seeds)

    def spread(self, key: str) -> float:
        """Greatest minus least over the seeds."""
        values = self.values(key)
        return max(values) - min(values)


@dataclass(frozen=True)
class Slice:
    """A model, a grid, and what every method reached, the best first and failures last."""

    model: str
    grid: str
    bits: int
    entries: tuple[Entry, ...]

    @property
    def key(self) -> str:
        """The figure that is compared, the less the better."""
        return "perplexity" if is_language(self.model) else "logit_mse"

    @property
    def done(self) -> list[Entry]:
        """Without those that failed on every seed."""
        return [entry for entry in self.entries if entry.runs]


def slices(results: Results) -> list[Slice]:
    """The results in the order of their cells."""
    found: dict[tuple[str, str, int], dict[Method, dict[int, Mapping[str, Any]]]] = {}
    for cell, result in results.items():
        methods = found.setdefault((cell.model, cell.grid, cell.bits), {})
        methods.setdefault(cell.method, {})[cell.seed] = result
    return [Slice(*name, _ordered(name[0], methods)) for name, methods in found.items()]


def _ordered(model: str, methods: Mapping[Method, Mapping[int, Mapping[str, Any]]]) -> tuple[Entry, ...]:
    key = "perplexity" if is_language(model) else "logit_mse"
    entries = []
    for method, runs in methods.items():
        errors = [str(run["error"]) for run in runs.values() if "error" in run]
        good = {seed: run for seed, run in runs.items() if "error" not in run}
        entries.append(Entry(method, good, errors[0] if errors else ""))
    return tuple(sorted(entries, key=lambda entry: entry.mean(key) if entry.runs else float("inf")))

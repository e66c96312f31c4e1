"""What a comparison of two artifacts found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from edgewright.compare.histogram import Histograms
from edgewright.compare.sums import Figures

FACTOR = 2.0
"""The sum of the parts differs from the whole where one is more than this many times the other."""

ROUNDING_DB = 100.0
"""Above this SNR two outputs differ by the rounding of float32 alone, whose errors are not independent."""


@dataclass(frozen=True, slots=True)
class Histogrammed:
    """A tensor of both artifacts: its figures (None where they are not the same weight) and its histograms."""

    figures: Figures | None
    histograms: Histograms | None


@dataclass(frozen=True, slots=True)
class Module:
    """One operator of both artifacts, with the activation that runs inside its kernel.

    Attributes:
        scope: path of its module; empty for the root.
        operator: `conv2d`, `conv2d+relu`, `input`; the second of its kind in its module is `add#2`.
        drift: its output after everything ahead of it.
        local: its output where it reads the tensors of the first artifact: what it alone adds; None where the second
            artifact cannot be run so.
        output_mse: mean squared error of the outputs of the whole where it alone is as in the second artifact.
        weights, activations: histograms, and what of the drift is in the weights; None where they were not asked for.
        exempt: what leaves it float under `gq.<scheme>.layers`: patterns; none where it belongs to no module.
    """

    scope: str
    operator: str
    drift: Figures
    local: Figures | None
    output_mse: float | None
    weights: Histogrammed | None
    activations: Histograms | None
    exempt: tuple[str, ...]

    def yaml_lines(self) -> list[str]:
        """Lines for `gq.<scheme>.layers`."""
        return [yaml.safe_dump({pattern: "float"}, width=10_000).rstrip("\n") for pattern in self.exempt]


@dataclass(frozen=True, slots=True)
class Parts:
    """The error of the output as a whole, and the sum of those where one operator at a time is replaced.

    Both are equal where errors are small and independent of each other: then the squared errors add up at the output
    (Zhou et al. 2017, arXiv:1712.01048, section 3; one layer at a time as in Gluska and Grobman 2020,
    arXiv:2012.08420). A sum below the whole says that errors reinforce each other, a sum above that they cancel.

    Attributes:
        total: sum of `output_mse` over all operators.
        whole: mean squared error of the outputs of the second artifact.
    """

    total: float
    whole: float


@dataclass(frozen=True, slots=True)
class NotCompared:
    """An operator that one artifact has alone: `side` is `first` or `second`."""

    side: str
    scope: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two artifacts of a chain, operator by operator, what does most harm first.

    Operators are in the order of `output_mse`, or of the drift's SNR where that is None.
    """

    first: str
    second: str
    samples: int
    modules: tuple[Module, ...]
    output: Figures
    parts: Parts | None
    not_compared: tuple[NotCompared, ...]
    notes: tuple[str, ...]

    def json_value(self) -> dict[str, Any]:
        """The content of the file of `--json`; see docs/probe.md."""
        value = asdict(self)
        value["schema"] = 1
        for record, module in zip(value["modules"], self.modules, strict=True):
            del record["exempt"]
            record["yaml"] = module.yaml_lines()
            record["share"] = self.share(module)
        if self.parts is not None:
            value["parts"] |= {"factor": FACTOR, "note": self.note}
        return value

    @property
    def note(self) -> str | None:
        """What to say where the sum of the parts and the whole differ by more than `FACTOR`; None where they agree.

        Nothing is said of an output whose SNR is above `ROUNDING_DB`.
        """
        if self.parts is None or self.output.snr_db is None or self.output.snr_db > ROUNDING_DB:
            return None
        total, whole = self.parts.total, self.parts.whole
        low, high = sorted((total, whole))
        if high <= FACTOR * low:
            return None
        times = f"{high / low:.1f} times" if low else "infinitely many times"
        sizes = f"the sum of the parts is {total:.3g}, the whole {whole:.3g}"
        if whole > total:
            return f"{sizes}, {times} more: errors reinforce each other, and no single operator explains them"
        return f"{sizes}, {times} less: errors cancel, and to exempt one operator may make the output worse"

    def share(self, module: Module) -> float | None:
        """Share of an operator in the sum of the parts, 0 to 1; None where there is no sum."""
        if self.parts is None or module.output_mse is None or not self.parts.total:
            return None
        return module.output_mse / self.parts.total


def worst_first(modules: Sequence[Module]) -> tuple[Module, ...]:
    """Operators in the order of the report."""
    return tuple(sorted(modules, key=_rank))


def _rank(module: Module) -> tuple[float, ...]:
    harm = 0.0 if module.output_mse is None else -module.output_mse
    # A NaN compares with nothing.
    return -float(module.output_mse is not None and module.output_mse != module.output_mse), harm, *module.drift.rank

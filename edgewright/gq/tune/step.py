"""The steps of a tuning, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.config.schemes import GqScheme
from edgewright.config.search import SearchBudget
from edgewright.errors import BudgetError
from edgewright.gq.search.trials import Score, json_score


@dataclass(frozen=True, slots=True)
class Step:
    """A scheme that was tried.

    Attributes:
        name: what was done.
        scheme: what it led to.
        score: of the quantized Program on the search sample.
        share: bytes of the weights as a share of the float ones.
        evaluations: whole programs that ran for it.
        reached: whether the budget holds.
    """

    name: str
    scheme: GqScheme
    score: Score
    share: float
    evaluations: int
    reached: bool

    def row(self) -> dict[str, Any]:
        """The step as it stands in the record."""
        return {
            "step": self.name, **json_score(self.score), "share": self.share, "evaluations": self.evaluations,
            "reached": self.reached,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """Where the error of the first scheme comes from, each rounding alone.

    Attributes:
        weights: mean squared error of the logits with rounded weights and float activations.
        activations: the same the other way round.
    """

    weights: float
    activations: float

    @property
    def name(self) -> str:
        """`weights`, `activations`, or `both` where neither is four times the other."""
        low, high = sorted((self.weights, self.activations))
        if high <= _DOMINANT * low:
            return "both"
        return "weights" if self.weights > self.activations else "activations"


_DOMINANT = 4.0


@dataclass(frozen=True, slots=True)
class Tuned:
    """The outcome: the last step is the one that stays.

    Attributes:
        target: name of the target.
        accept: the budget.
        cause: of the error of the first step.
        steps: in the order in which they were tried.
        chosen: the step that stays: of those that keep the budget the one with the fewest bytes, else the one with
            the least error.
    """

    target: str
    accept: SearchBudget
    cause: Cause
    steps: Sequence[Step]
    chosen: Step

    def record(self) -> dict[str, Any]:
        """Value of the JSON file beside the scheme: equal inputs give equal bytes."""
        return {
            "schema": 1,
            "target": self.target,
            "accept": self.accept.model_dump(mode="json", exclude_none=True),
            "cause": {"is": self.cause.name, "weights_mse": self.cause.weights,
                      "activations_mse": self.cause.activations},
            "steps": [step.row() for step in self.steps],
            "chosen": self.chosen.name,
            "reached": self.chosen.reached,
        }

    def scheme(self) -> Mapping[str, Any]:
        """The scheme that stays, as it stands under `gq` in params.yaml."""
        return self.chosen.scheme.model_dump(mode="json", exclude_defaults=True)

    def require_reached(self, where: str) -> None:
        """Refuse a result that misses the budget.

        Raises:
            BudgetError: naming the best that was found.
        """
        if self.chosen.reached:
            return
        score = self.chosen.score
        drop = "" if score.metric_drop is None else f"loses {score.metric_drop:.3g} points, "
        snr = "infinite" if score.snr_db is None else f"{score.snr_db:.1f} dB"
        wanted = ", ".join(f"{key} {value:g}" for key, value in self.record()["accept"].items())
        raise BudgetError(f"{where}: nothing keeps {wanted}; the best found, {self.chosen.name}, {drop}has a "
                          f"signal-to-noise ratio of {snr}; give a wider budget or another target")

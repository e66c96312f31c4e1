"""What a search found, as an artifact: equal inputs give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.config.schemes import GqScheme
from edgewright.config.search import Search
from edgewright.errors import BudgetError
from edgewright.gq.search.budget import choose, front
from edgewright.gq.search.candidates import Assignment, Candidates
from edgewright.gq.search.costs import Costs
from edgewright.gq.search.trials import Score, Trials, json_score
from edgewright.gq.search.units import layers


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search.

    Attributes:
        scheme: the scheme with `layers` for every operator, and without `search`.
        record: value of `assignment.json`, see docs/search.md.
        reached: whether the budget holds on the search sample.
    """

    scheme: GqScheme
    record: Mapping[str, Any]
    reached: bool

    def require_reached(self, where: str) -> None:
        """Refuse a result that misses the budget.

        Raises:
            BudgetError: naming the best that was found.
        """
        if self.reached:
            return
        best = self.record["chosen"]
        wanted = ", ".join(f"{key} {value:g}" for key, value in self.record["accept"].items())
        drop = "" if best["metric_drop"] is None else f"loses {best['metric_drop']:.3g} points, "
        snr = "infinite" if best["snr_db"] is None else f"{best['snr_db']:.1f} dB"
        raise BudgetError(
            f"{where}: no mix of {', '.join(self.record['candidates'])} keeps {wanted} in {self.record['evaluations']} "
            f"evaluations; the best found {drop}has a signal-to-noise ratio of {snr} at {best['share']:.0%} of the "
            "cost; give a more precise candidate, more evaluations, or a wider budget"
        )


def found(
    search: Search, scheme: GqScheme, candidates: Candidates, costs: Costs, trials: Trials,
    sensitivity: Sequence[Mapping[str, Any]],
) -> Found:  # fmt: skip
    """The artifact of a search whose trials are done."""
    chosen, reached = choose(search, trials.known, costs)
    by_unit = candidates.layers(chosen)
    assigned = layers(by_unit.items())
    # Patterns that a person wrote come last: later ones win.
    final = scheme.model_copy(update={"layers": {**assigned, **scheme.layers}, "search": None})
    points = [_point(item, trials.known[item], costs, candidates) for item in front(trials.known, costs)]
    return Found(final, {
        "schema": 1,
        "method": search.method,
        "candidates": list(search.candidates),
        "cost": search.cost,
        "accept": search.accept.model_dump(mode="json", exclude_none=True),
        "reached": reached,
        "evaluations": len(trials.known),
        "chosen": _point(chosen, trials.known[chosen], costs, candidates),
        "front": points,
        "sensitivity": list(sensitivity),
        "layers": assigned,
    }, reached)  # fmt: skip


def _point(assignment: Assignment, score: Score, costs: Costs, candidates: Candidates) -> dict[str, Any]:
    names = [precision.name for precision in candidates.precisions]
    return {
        "cost": costs.of(assignment), "share": costs.share(assignment), **json_score(score),
        "units": {name: sum(names[index] == name for index in assignment) for name in names},
        "layers": layers(candidates.layers(assignment).items()),
    }  # fmt: skip

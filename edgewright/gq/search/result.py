"""What a search found, as an artifact: equal inputs give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.config.schemes import GqScheme
from edgewright.config.search import Search, SearchBudget
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


def within(budget: SearchBudget, score: Score, share: float) -> bool:
    """Whether a score and a share of the greatest cost keep the budget."""
    drop, snr = score.metric_drop, score.snr_db
    drop_fits = budget.metric_drop is None or (drop is not None and drop <= budget.metric_drop)
    snr_fits = budget.snr_db is None or snr is None or snr >= budget.snr_db
    return drop_fits and snr_fits and (budget.cost is None or share <= budget.cost)


def front(known: Mapping[Assignment, Score], costs: Costs) -> list[Assignment]:
    """Assignments that none beats in both cost and error, the cheapest first."""
    ordered = sorted(known, key=lambda item: (costs.of(item), known[item].mse, item))
    found: list[Assignment] = []
    for assignment in ordered:
        if not found or known[assignment].mse < known[found[-1]].mse:
            found.append(assignment)
    return found


def choose(search: Search, known: Mapping[Assignment, Score], costs: Costs) -> tuple[Assignment, bool]:
    """The cheapest assignment inside the budget, of a budget on cost the one with the least error.

    Where none is inside, the nearest to it: the least drop, the greatest signal-to-noise ratio, the least cost.
    """
    budget = search.accept
    inside = [item for item in known if within(budget, known[item], costs.share(item))]
    if inside and budget.metric_drop is None and budget.snr_db is None:
        return min(inside, key=lambda item: (known[item].mse, costs.of(item), item)), True
    if inside:
        return min(inside, key=lambda item: (costs.of(item), known[item].mse, item)), True
    if budget.cost is not None:
        return min(known, key=lambda item: (costs.of(item), known[item].mse, item)), False
    if budget.metric_drop is not None:
        return min(known, key=lambda item: (known[item].metric_drop or 0.0, known[item].mse, item)), False
    return min(known, key=lambda item: (known[item].mse, costs.of(item), item)), False


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

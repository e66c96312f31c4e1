"""Which of the evaluated assignments are worth showing, and which is taken."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgewright.config.search import Search, SearchBudget

if TYPE_CHECKING:
    from edgewright.gq.search.candidates import Assignment
    from edgewright.gq.search.costs import Costs
    from edgewright.gq.search.trials import Score


def within(budget: SearchBudget, score: "Score", share: float) -> bool:
    """Whether a score and a share of the greatest cost keep the budget."""
    drop, snr = score.metric_drop, score.snr_db
    drop_fits = budget.metric_drop is None or (drop is not None and drop <= budget.metric_drop)
    snr_fits = budget.snr_db is None or snr is None or snr >= budget.snr_db
    return drop_fits and snr_fits and (budget.cost is None or share <= budget.cost)


def front(known: Mapping["Assignment", "Score"], costs: "Costs") -> list["Assignment"]:
    """Assignments that none beats in both cost and error, the cheapest first."""
    ordered = sorted(known, key=lambda item: (costs.of(item), known[item].mse, item))
    found: list[Assignment] = []
    for assignment in ordered:
        if not found or known[assignment].mse < known[found[-1]].mse:
            found.append(assignment)
    return found


def choose(search: Search, known: Mapping["Assignment", "Score"], costs: "Costs") -> tuple["Assignment", bool]:
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

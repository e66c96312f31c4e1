"""Budgets: does a variant keep what its `accept` asks?"""

from collections.abc import Mapping

from edgewright.config import Accept
from edgewright.errors import ConfigError, nearest
from edgewright.report.format import budget_text
from edgewright.report.types import BudgetRecord, IntervalRecord


def check(accept: Mapping[str, float], figures: Mapping[str, float | None]) -> tuple[BudgetRecord, ...]:
    """Hold each budget against its figure; a budget whose figure is missing is not met.

    Args:
        accept: budget -> limit, both sides of a comparison "at most"; `metric_drop` in points, positive
            when worse.
        figures: budget -> what the compiled variant has; None or absent where nothing states it.

    Raises:
        ConfigError: a budget that does not exist.
    """
    records = []
    for name in sorted(accept):
        if name not in Accept.model_fields:
            known = tuple(Accept.model_fields)
            raise ConfigError(f"accept: no budget '{name}'{nearest(name, known)}; known: {', '.join(known)}")
        value = figures.get(name)
        met = value is not None and value <= accept[name]
        records.append(BudgetRecord(name=name, limit=accept[name], value=value, met=met))
    return tuple(records)


def reason(budgets: tuple[BudgetRecord, ...], interval: IntervalRecord | None) -> str | None:
    """Why the variant is rejected, with figures, or None where every budget is met.

    A drop in top-1 is decided by its point estimate; the paired interval, where there is one, is named
    with it so that a reader sees whether the sample can tell.
    """
    missed = [_sentence(budget, interval) for budget in budgets if not budget.met]
    return "; ".join(missed) or None


def _sentence(budget: BudgetRecord, interval: IntervalRecord | None) -> str:
    limit = budget_text(budget.name, budget.limit)
    if budget.value is None:
        return f"{budget.name}: at most {limit} asked, but this target states no figure"
    text = f"{budget.name}: {budget_text(budget.name, budget.value)}, at most {limit} accepted"
    if budget.name == "metric_drop" and interval is not None:
        text += f" (95 % interval of the drop {-interval.high:.2f} to {-interval.low:.2f}, {interval.samples} samples)"
    return text

"""Costs of an operator at a precision: one file a cost, found by its name, or a table that was measured.

A cost's module exposes `cost(module, node, plan) -> float`: what the operator `node` costs where it runs as `plan`
says, or in float where `plan` is None.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from edgewright import registry
from edgewright.gq.search import COSTS
from edgewright.gq.search.borders import Border, borders
from edgewright.gq.search.candidates import Assignment, Candidates
from edgewright.ir import scope
from edgewright.targets.cost_table import CostTable

FLOAT_BITS = 32


class Costs:
    """The cost of each unit at each candidate, [units][candidates]; it adds up.

    A measured table has a cost for each element that passes between units of different precision, too.
    """

    _borders: tuple[Border, ...]
    _conversions: Mapping[frozenset[int], float]

    def __init__(self, candidates: Candidates, name: str, measured: CostTable | None = None) -> None:
        """Ask the cost `name` of every operator, or read `measured`.

        Raises:
            ConfigError: there is no such cost.
        """
        if measured is None:
            cost = registry.load(COSTS, name).cost
            self._rest, self._borders, self._conversions = 0.0, (), {}
            self.table = tuple(
                tuple(
                    sum(float(cost(candidates.module, node, precision.plans.get(node))) for node in unit.operators)
                    for precision in candidates.precisions
                )
                for unit in candidates.units
            )
        else:
            self.table, self._rest = _looked_up(candidates, measured)
            self._borders = borders(candidates)
            self._conversions = {
                frozenset((first, second)): measured.conversion(one.name, other.name)
                for (first, one), (second, other) in combinations(enumerate(candidates.precisions), 2)
            }
        most = max(
            (sum(row[index] for row in self.table) for index in range(len(candidates.precisions))), default=0.0
        )
        self._most = most + self._rest or 1.0

    def of(self, assignment: Assignment) -> float:
        """Cost of an assignment, in the unit of the cost."""
        converted = (
            item.elements * self._conversions[frozenset((assignment[item.producer], assignment[item.consumer]))]
            for item in self._borders if assignment[item.producer] != assignment[item.consumer]
        )
        return self._rest + sum(row[index] for row, index in zip(self.table, assignment, strict=True)) + sum(converted)

    def share(self, assignment: Assignment) -> float:
        """Cost as a share of that of the dearest candidate everywhere."""
        return self.of(assignment) / self._most


def _looked_up(candidates: Candidates, measured: CostTable) -> tuple[tuple[tuple[float, ...], ...], float]:
    """The table of each unit, and what belongs to no unit: that counts as in the first candidate.

    Units of one scope share its cost in equal parts.
    """
    inside = {node: plan.inside for precision in candidates.precisions for node, plan in precision.plans.items()}
    scopes = [
        {scope(part) for node in unit.operators for part in (node, *inside.get(node, ()))} for unit in candidates.units
    ]
    sharers = Counter(name for found in scopes for name in found)
    columns = [measured.precisions[precision.name] for precision in candidates.precisions]
    table = tuple(
        tuple(sum(column.get(name, 0.0) / sharers[name] for name in sorted(found)) for column in columns)
        for found in scopes
    )
    return table, sum(cost for name, cost in sorted(columns[0].items()) if name not in sharers)


def listed(costs: Costs, candidates: Candidates) -> list[Mapping[str, Any]]:
    """The table as it stands in assignment.json."""
    names = [precision.name for precision in candidates.precisions]
    return [
        {"unit": unit.name, "costs": dict(zip(names, row, strict=True))}
        for unit, row in zip(candidates.units, costs.table, strict=True)
    ]

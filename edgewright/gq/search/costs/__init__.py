"""Costs of an operator at a precision: one file a cost, found by its name.

A cost's module exposes `cost(module, node, plan) -> float`: what the operator `node` costs where it runs as `plan`
says, or in float where `plan` is None.
"""

from collections.abc import Mapping
from typing import Any

from torch.fx import Node

from edgewright import registry
from edgewright.gq.search import COSTS
from edgewright.gq.search.candidates import Assignment, Candidates

FLOAT_BITS = 32


class Costs:
    """The cost of each unit at each candidate, [units][candidates]; it adds up."""

    def __init__(self, candidates: Candidates, name: str) -> None:
        """Ask the cost `name` of every operator.

        Raises:
            ConfigError: there is no such cost.
        """
        cost = registry.load(COSTS, name).cost
        self.table = tuple(
            tuple(
                sum(float(cost(candidates.module, node, precision.plans.get(node))) for node in unit.operators)
                for precision in candidates.precisions
            )
            for unit in candidates.units
        )
        most = max(
            (sum(row[index] for row in self.table) for index in range(len(candidates.precisions))), default=0.0
        )
        self._most = most or 1.0

    def of(self, assignment: Assignment) -> float:
        """Cost of an assignment, in the unit of the cost."""
        return sum(row[index] for row, index in zip(self.table, assignment, strict=True))

    def share(self, assignment: Assignment) -> float:
        """Cost as a share of that of the dearest candidate everywhere."""
        return self.of(assignment) / self._most


def shape_of(node: Node) -> tuple[int, ...]:
    """Shape of a node's value, 1 for a dimension that is free."""
    value: Any = node.meta["val"]
    return tuple(size if isinstance(size, int) else 1 for size in value.shape)


def listed(costs: Costs, candidates: Candidates) -> list[Mapping[str, Any]]:
    """The table as it stands in assignment.json."""
    names = [precision.name for precision in candidates.precisions]
    return [
        {"unit": unit.name, "costs": dict(zip(names, row, strict=True))}
        for unit, row in zip(candidates.units, costs.table, strict=True)
    ]

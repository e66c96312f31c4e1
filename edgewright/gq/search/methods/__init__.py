"""Search methods: one file a method, found by its name.

A method's module exposes `Options`, a frozen dataclass of numbers, and
`search(problem: Problem, options: Options) -> None`, which evaluates assignments through `problem.trials` until it
knows enough or no evaluation is left; what was evaluated is the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from edgewright import registry
from edgewright.config.search import Search
from edgewright.errors import ConfigError, nearest
from edgewright.gq.search.budget import within

if TYPE_CHECKING:
    # At run time a method is looked at by `validate`, which must not import torch.
    from edgewright.gq.search.candidates import Assignment, Candidates
    from edgewright.gq.search.contributions import Contributions
    from edgewright.gq.search.costs import Costs
    from edgewright.gq.search.trials import Trials

PACKAGE = "edgewright.gq.search.methods"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a method works with.

    Attributes:
        search: candidates, budget and bounds.
        candidates: the units and the precisions.
        costs: what each unit costs at each precision.
        contributions: forecast of the error of any assignment.
        trials: evaluations.
    """

    search: Search
    candidates: "Candidates"
    costs: "Costs"
    contributions: "Contributions"
    trials: "Trials"

    def is_within(self, assignment: "Assignment") -> bool:
        """Evaluate, and whether the budget holds."""
        return within(self.search.accept, self.trials.score(assignment), self.costs.share(assignment))

    @property
    def most_precise(self) -> "Assignment":
        """For each unit the candidate that its rounding alone changes the output least; of equals the cheapest."""
        return tuple(
            min(legal, key=lambda index: (self.contributions.of_unit(unit, index), self.costs.table[unit][index]))
            for unit, legal in enumerate(self.candidates.legal)
        )


def options_of(search: Search, where: str) -> Any:
    """The method's options.

    Raises:
        ConfigError: no such method or option (the nearest is named), or a value is out of range.
    """
    kind = registry.load(PACKAGE, search.method).Options
    known = {field.name for field in fields(kind)}
    for option in search.options:
        if option not in known:
            listed = f"it has: {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{where}.options: {search.method} has no option '{option}'{nearest(option, known)}; "
                              f"{listed}")
    return made(kind, search.options, f"{where}.options")


def made(kind: type, options: Mapping[str, float], where: str) -> Any:
    """The options with their defaults filled in."""
    try:
        return kind(**options)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None

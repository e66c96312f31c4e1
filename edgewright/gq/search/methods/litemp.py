"""LiteMP: the most sensitive k percent of the units at the more precise of two candidates, k chosen by the curve.

Units are ranked by what their rounding alone adds to the output's error, for the parameters it costs nothing. The
error as a function of k is looked at on a grid, then between its neighbours; the smallest k inside the budget stays.
Named after the option of Qualcomm's quantizer (AIMET's manual, Quantization debugging, "lite mixed precision").
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewright.errors import ConfigError
from edgewright.gq.search.methods import Problem

if TYPE_CHECKING:
    from edgewright.gq.search.candidates import Assignment

_CANDIDATES = 2


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the method.

    Attributes:
        points: of the grid from 0 to 100 %.
    """

    points: int = 6

    def __post_init__(self) -> None:
        if self.points != int(self.points) or self.points < _CANDIDATES:
            raise ValueError(f"points: {self.points:g} is not a whole number from 2")


def search(problem: Problem, options: Options) -> None:
    """Evaluate the grid, then bisect to the budget."""
    ranked = curve(problem)
    last = len(ranked) - 1
    grid = sorted({round(last * index / (int(options.points) - 1)) for index in range(int(options.points))})
    for place in grid:
        if problem.trials.left:
            problem.trials.score(ranked[place])
    known = [place for place in grid if ranked[place] in problem.trials.known]
    inside = [place for place in known if problem.is_within(ranked[place])]
    if not inside:
        return
    high = min(inside)
    low = max([place for place in known if place < high], default=high)
    while high - low > 1 and problem.trials.left:
        middle = (low + high) // 2
        low, high = (low, middle) if problem.is_within(ranked[middle]) else (middle, high)


def curve(problem: Problem) -> list["Assignment"]:
    """The assignments for k = 0, 1, ... of the units.

    Raises:
        ConfigError: there are not two candidates.
    """
    if len(problem.search.candidates) != _CANDIDATES:
        raise ConfigError("search.candidates: litemp goes with two candidates, the cheaper and the more precise; "
                          f"{len(problem.search.candidates)} are given, amp takes any number")
    precise = problem.most_precise
    cheap = tuple(
        next((index for index in legal if index != precise[unit]), precise[unit])
        for unit, legal in enumerate(problem.candidates.legal)
    )
    gain = [
        problem.contributions.of_unit(unit, cheap[unit]) - problem.contributions.of_unit(unit, precise[unit])
        for unit in range(len(precise))
    ]
    current = list(cheap)
    found = [tuple(current)]
    for unit in sorted(range(len(precise)), key=lambda unit: (-gain[unit], unit)):
        if current[unit] != precise[unit]:
            current[unit] = precise[unit]
            found.append(tuple(current))
    return found

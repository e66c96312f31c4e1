"""Automatic mixed precision: the front of cost and error, and the cheapest point inside the budget.

From the most precise candidate everywhere, the unit is made cheaper that adds the least forecast error for the cost
it saves, again and again: greedy on the convex hull, as knapsack relaxations are solved (Dong et al. 2020, HAWQ-V2,
arXiv:1911.03852, section 3.2, and Hubara et al. 2020, arXiv:2006.10518, state the problem as an integer program). The
forecast is the full quadratic form of `contributions`, so that errors that cancel or add up count. Only points of that
path are evaluated: those that a bisection to the budget asks for, then those that fill the largest gap of the front,
then exchanges around the chosen point.
"""

from dataclasses import dataclass
from itertools import pairwise

from edgewright.gq.search.candidates import Assignment
from edgewright.gq.search.methods import Problem
from edgewright.gq.search.result import choose


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the method.

    Attributes:
        exchanges: share of the evaluations that is kept for exchanges around the chosen point.
    """

    exchanges: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.exchanges < 1:
            raise ValueError(f"exchanges: {self.exchanges:g} is not from 0 to below 1")


def search(problem: Problem, options: Options) -> None:
    """Evaluate the path's ends, bisect, fill gaps, exchange."""
    path = descent(problem)
    trials, kept = problem.trials, int(options.exchanges * problem.search.evaluations)
    for end in dict.fromkeys((path[0], path[-1])):
        if trials.left:
            trials.score(end)
    low, high = 0, len(path) - 1
    while high - low > 1 and trials.left > kept:
        middle = (low + high) // 2
        low, high = (middle, high) if problem.is_within(path[middle]) else (low, middle)
    while trials.left > kept and (place := _gap(problem, path)) is not None:
        trials.score(path[place])
    _exchange(problem)
    while trials.left and (place := _gap(problem, path)) is not None:
        trials.score(path[place])


def descent(problem: Problem) -> list[Assignment]:
    """Assignments from the most precise to the cheapest, one unit's change after another."""
    costs, legal = problem.costs, problem.candidates.legal
    walk = problem.contributions.walk(problem.most_precise)
    path = [walk.assignment]
    while True:
        error, current = walk.mse(), walk.assignment
        moves = [
            ((walk.mse_after(unit, index) - error) / saved, unit, index)
            for unit, choices in enumerate(legal) for index in choices
            if (saved := costs.table[unit][current[unit]] - costs.table[unit][index]) > 0
        ]
        if not moves:
            return path
        _, unit, index = min(moves)
        walk.change(unit, index)
        path.append(walk.assignment)


def _gap(problem: Problem, path: list[Assignment]) -> int | None:
    """The middle of the largest stretch of cost between two evaluated points of the path, None where none is left."""
    known = [index for index, item in enumerate(path) if item in problem.trials.known]
    widest: tuple[float, int] | None = None
    for first, last in pairwise(known):
        if last - first < 2:
            continue
        width = problem.costs.share(path[first]) - problem.costs.share(path[last])
        goal = (problem.costs.share(path[first]) + problem.costs.share(path[last])) / 2
        middle = min(range(first + 1, last), key=lambda index: abs(problem.costs.share(path[index]) - goal))
        if widest is None or width > widest[0]:
            widest = width, middle
    return None if widest is None else widest[1]


def _exchange(problem: Problem) -> None:
    """Make one more unit cheaper, or two change places, as long as the budget holds and the cost falls."""
    costs, contributions = problem.costs, problem.contributions
    tried: set[Assignment] = set()
    while problem.trials.left:
        current, reached = choose(problem.search, problem.trials.known, costs)
        if not reached:
            return
        moves = [
            (*current[:unit], index, *current[unit + 1 :])
            for unit, choices in enumerate(problem.candidates.legal) for index in choices if index != current[unit]
        ]
        cheaper = [
            move for move in {*moves, *_pairs(problem, current)}
            if costs.of(move) < costs.of(current) and move not in problem.trials.known and move not in tried
        ]
        if not cheaper:
            return
        best = min(cheaper, key=lambda move: (contributions.mse(move), costs.of(move), move))
        tried.add(best)
        problem.trials.score(best)


def _pairs(problem: Problem, current: Assignment) -> list[Assignment]:
    """Two units exchange their candidates."""
    found = []
    for first in range(len(current)):
        for second in range(first + 1, len(current)):
            one, other = current[second], current[first]
            legal = problem.candidates.legal
            if one != other and one in legal[first] and other in legal[second]:
                moved = list(current)
                moved[first], moved[second] = one, other
                found.append(tuple(moved))
    return found

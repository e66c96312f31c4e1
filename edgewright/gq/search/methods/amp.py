"""Automatic mixed precision: the front of cost and error, and the cheapest point inside the budget.

From the most precise candidate everywhere, the unit is made cheaper that adds the least forecast error for the cost
it saves, again and again: greedy on the convex hull, as knapsack relaxations are solved (Dong et al. 2020, HAWQ-V2,
arXiv:1911.03852, section 3.2, and Hubara et al. 2020, arXiv:2006.10518, state the problem as an integer program). The
forecast is the full quadratic form of `contributions`, so that errors that cancel or add up count. Only points of that
path are evaluated: those that a bisection to the budget asks for, then those that fill the largest gap of the front,
then exchanges around the chosen point.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING

from edgewright.config.precision import FLOAT
from edgewright.gq.search.budget import choose
from edgewright.gq.search.methods import Problem

if TYPE_CHECKING:
    from edgewright.gq.search.candidates import Assignment


_EXCHANGES = 8
_PROMISING = 10


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
    # Each point of the path becomes the best of its neighbourhood; that costs no evaluation.
    path = [path[0], *(_polished(problem, point) for point in path[1:-1]), path[-1]]
    path = sorted(dict.fromkeys(path), key=lambda point: (-problem.costs.of(point), point))
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


def descent(problem: Problem) -> list["Assignment"]:
    """Assignments from the most precise to the cheapest, one unit's change after another.

    What costs the same on integers as in float (an addition, of bytes) goes first: it breaks the chain of integers.
    """
    costs, legal = problem.costs, problem.candidates.legal
    floats = [index for index, name in enumerate(problem.search.candidates) if name == FLOAT]
    walk = problem.contributions.walk(problem.most_precise)
    path = [walk.assignment]
    while True:
        error, current = walk.mse(), walk.assignment
        moves = []
        for unit, choices in enumerate(legal):
            for index in choices:
                saved = costs.table[unit][current[unit]] - costs.table[unit][index]
                is_free = saved == 0 and current[unit] in floats and index not in floats
                if saved > 0 or is_free:
                    added = walk.mse_after((unit, index)) - error
                    moves.append((not is_free, added if is_free else added / saved, unit, index))
        if not moves:
            return path
        *_, unit, index = min(moves)
        walk.change(unit, index)
        path.append(walk.assignment)


def _gap(problem: Problem, path: list["Assignment"]) -> int | None:
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
    """Change one more unit, or let two change places, where that is forecast to be better than the chosen point.

    Better is cheaper, or of less error inside a budget of cost.
    """
    costs, contributions, budget = problem.costs, problem.contributions, problem.search.accept
    is_of_cost = budget.metric_drop is None and budget.snr_db is None
    while problem.trials.left:
        current, reached = choose(problem.search, problem.trials.known, costs)
        if not reached:
            return
        legal = problem.candidates.legal
        moves = {
            (*current[:unit], index, *current[unit + 1 :])
            for unit, choices in enumerate(legal) for index in choices if index != current[unit]
        }
        better = [
            move for move in {*moves, *_pairs(legal, current)}
            if move not in problem.trials.known
            and (costs.share(move) <= (budget.cost or 1.0) if is_of_cost else costs.of(move) < costs.of(current))
        ]
        if not better:
            return
        best = min(better, key=lambda move: (contributions.mse(move), costs.of(move), move))
        if is_of_cost and contributions.mse(best) >= contributions.mse(current):
            return
        problem.trials.score(best)


def _pairs(legal: Sequence[Sequence[int]], current: "Assignment") -> list["Assignment"]:
    """Two units exchange their candidates."""
    found = []
    for first, second in combinations(range(len(current)), 2):
        one, other = current[second], current[first]
        if one != other and one in legal[first] and other in legal[second]:
            moved = list(current)
            moved[first], moved[second] = one, other
            found.append(tuple(moved))
    return found


def _polished(problem: Problem, start: "Assignment") -> "Assignment":
    """The assignment after exchanges that lower its forecast error and not its saving.

    An exchange spends on one unit and saves on another; the most promising of either kind are tried in pairs.
    """
    costs, walk = problem.costs, problem.contributions.walk(start)
    limit = costs.of(start)
    for _ in range(_EXCHANGES):
        alone = [
            (walk.mse_after((unit, index)), (unit, index))
            for unit, choices in enumerate(problem.candidates.legal) for index in choices
            if index != walk.assignment[unit]
        ]
        spending = [move for mse, move in sorted(alone) if mse < walk.mse()][:_PROMISING]
        saving = [move for mse, move in sorted(alone) if mse >= walk.mse()][:_PROMISING]
        pairs = [(walk.mse_after(*moves), moves) for moves in product(spending, saving) if moves[0][0] != moves[1][0]]
        singles = [(mse, (move,)) for mse, move in alone]
        found = [
            (mse, moves) for mse, moves in (*singles, *pairs)
            if mse < walk.mse() and costs.of(_moved(walk.assignment, moves)) <= limit
        ]
        if not found:
            break
        for move in min(found)[1]:
            walk.change(*move)
    return walk.assignment


def _moved(assignment: "Assignment", moves: Iterable[tuple[int, int]]) -> "Assignment":
    moved = list(assignment)
    for unit, index in moves:
        moved[unit] = index
    return tuple(moved)

"""Which pairs of tensors become a line of a comparison, and what it is called."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.compare.comparison import NotCompared
from edgewright.compare.match import Match
from edgewright.compare.values import INPUT, Value

Pair = tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: the operator, and the pair of tensors that its kernel gives out.

    `head` is the pair of the operator itself; it differs from `pair` where an activation runs inside its kernel.
    """

    scope: str
    operator: str
    head: Pair
    pair: Pair
    exempt: tuple[str, ...]


def entries(match: Match) -> tuple[Entry, ...]:
    """One line for each operator that computes something; what only moves data has none.

    The line of a convolution and the activation in its kernel stands where the activation's output is stored.
    """
    by_name = [{pair[side].name: pair for pair in match.pairs} for side in (0, 1)]
    tails: dict[str, Pair] = {}
    for first, second in match.pairs:
        tail = by_name[1].get(second.tail) or by_name[0].get(first.tail)
        if tail is not None:
            tails[second.name] = tail
    inside = {pair[1].name for pair in tails.values()}
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for pair in match.pairs:
        if pair[1].name in inside or pair[1].moves:
            continue
        result = tails.get(pair[1].name, pair)
        scope, operator = _scope(pair), pair[1].operator
        if result is not pair:
            operator = f"{operator}+{result[1].operator}"
        if operator == INPUT:
            scope = f"{INPUT}:{pair[0].name}"
        counts[scope, operator] += 1
        number = counts[scope, operator]
        name = operator if number == 1 else f"{operator}#{number}"
        found.append(Entry(scope, name, pair, result, _exempt(pair, result)))
    return tuple(found)


def not_compared(match: Match) -> tuple[NotCompared, ...]:
    """The operators that one graph has alone."""
    return tuple(
        NotCompared(side, value.scope, value.operator, _reason(value, [pair[index] for pair in match.pairs]))
        for side, alone, index in (("first", match.first_only, 1), ("second", match.second_only, 0))
        for value in alone
        if not value.moves
    )


def _exempt(*pairs: Pair) -> tuple[str, ...]:
    """What `layers` calls them in the second graph, or in the first where the second has no names."""
    found = (second.layer or first.layer for first, second in pairs if second.operator != INPUT)
    return tuple(dict.fromkeys(layer for layer in found if layer))


def _scope(pair: Pair) -> str:
    """The more precise of two modules: a rewrite leaves an operator to the one that contains its parts."""
    return max((value.scope for value in pair), key=len)


def _reason(value: Value, others: Sequence[Value]) -> str:
    for other in others:
        if value.origins and set(value.origins) <= set(other.origins):
            return f"inside {other.operator} of the other"
    return "no counterpart"

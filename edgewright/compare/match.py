"""Which tensor of one graph is which of another that was rewritten: by provenance, then by module and order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgewright.compare.values import INPUT, Value


@dataclass(frozen=True, slots=True)
class Match:
    """Pairs in the order of the second graph, and what each graph has alone."""

    pairs: tuple[tuple[Value, Value], ...]
    first_only: tuple[Value, ...]
    second_only: tuple[Value, ...]


def match(first: Sequence[Value], second: Sequence[Value]) -> Match:
    """Pair the values of two graphs; the inputs by position.

    Provenance names the operators of the export that a value stands for. Where both graphs come from one export, a
    fused operator is paired with the last of its parts. It is not used where the same name stands in modules that do
    not contain each other: then the graphs come from different exports, and numbers in names mean nothing. What is
    left is paired by module, operator and order, where both modules have as many of that operator.
    """
    inputs = [[value for value in found if value.operator == INPUT] for found in (first, second)]
    pairs = {b.name: (a, b) for a, b in zip(*inputs, strict=False) if fits(a, b)}
    first_left = [value for value in first if value.operator != INPUT]
    second_left = [value for value in second if value.operator != INPUT]
    for method in (_by_provenance, _by_order):
        taken = {a.name for a, _ in pairs.values()}
        first_left = [value for value in first_left if value.name not in taken]
        second_left = [value for value in second_left if value.name not in pairs]
        pairs.update({b.name: (a, b) for a, b in method(first_left, second_left) if fits(a, b)})
    taken = {a.name for a, _ in pairs.values()}
    return Match(
        tuple(pairs[value.name] for value in second if value.name in pairs),
        tuple(value for value in first if value.name not in taken),
        tuple(value for value in second if value.name not in pairs),
    )


def fits(first: Value, second: Value) -> bool:
    """Whether two shapes are the same as far as they are known."""
    return len(first.shape) == len(second.shape) and all(
        a == b or "?" in (a, b) for a, b in zip(first.shape, second.shape, strict=True)
    )


def _by_provenance(first: Sequence[Value], second: Sequence[Value]) -> list[tuple[Value, Value]]:
    firsts, seconds = _makers(first), _makers(second)
    common = firsts.keys() & seconds.keys()
    if not all(_nested(firsts[name].module, seconds[name].module) for name in common):
        return []
    orders = [{value.name: index for index, value in enumerate(found)} for found in (first, second)]
    found = []
    taken: set[str] = set()
    for value in second:
        other = _counterpart(value, firsts, orders[0])
        if other is None or other.name in taken:
            continue
        # The last operator that stands for the same is the one that gives the result.
        parts = [seconds[name].name for name in other.origins if name in seconds]
        if max(parts, key=lambda name: orders[1][name]) == value.name:
            taken.add(other.name)
            found.append((other, value))
    return found


def _makers(found: Iterable[Value]) -> dict[str, Value]:
    """The last value that stands for each operator of the export."""
    return {name: value for value in found for name in value.origins}


def _counterpart(value: Value, makers: Mapping[str, Value], order: Mapping[str, int]) -> Value | None:
    """The value that stands for the same operators; else the last that is a part; else the one around it."""
    others = [other for name in value.origins if (other := makers.get(name)) is not None]
    whole = set(value.origins)
    same = [other for other in others if set(other.origins) == whole]
    inside = [other for other in others if set(other.origins) < whole]
    around = [other for other in others if set(other.origins) > whole]
    return max(same or inside or around, key=lambda other: order[other.name], default=None)


def _by_order(first: Sequence[Value], second: Sequence[Value]) -> list[tuple[Value, Value]]:
    groups = [_groups(found) for found in (first, second)]
    return [
        pair
        for key, values in groups[1].items()
        if len(groups[0].get(key, ())) == len(values)
        for pair in zip(groups[0][key], values, strict=True)
    ]


def _groups(found: Iterable[Value]) -> dict[tuple[str, str], list[Value]]:
    groups: dict[tuple[str, str], list[Value]] = {}
    for value in found:
        groups.setdefault((value.scope, value.operator), []).append(value)
    return groups


def _nested(first: str, second: str) -> bool:
    """Whether one module is the other or contains it."""
    return f"{second}.".startswith(f"{first}.") or f"{first}.".startswith(f"{second}.") or not (first and second)

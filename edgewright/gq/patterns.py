"""Patterns that say something of what has a name; later ones win."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from edgewright.errors import ConfigError, nearest

Value = TypeVar("Value")


def matched(pattern: str, names: Collection[str]) -> bool:
    """Whether the glob `pattern` matches one of the names that something goes by."""
    return any(fnmatchcase(name, pattern) for name in names)


def check(patterns: Mapping[str, object], items: Sequence[Collection[str]], where: str, kind: str) -> None:
    """Refuse a pattern that has no effect.

    Args:
        patterns: what each says, in their order.
        items: the names that each thing goes by.
        where: key of the patterns in the configuration, the start of a message.
        kind: what the things are, for messages.

    Raises:
        ConfigError: a pattern matches nothing (the nearest name is given), or all that it matches is matched by later
            ones that say otherwise (they are named).
    """
    known = {name for names in items for name in names} - {""}
    last = [[pattern for pattern in patterns if matched(pattern, names)] for names in items]
    for pattern, value in patterns.items():
        winners = [found[-1] for found in last if pattern in found]
        if not winners:
            raise ConfigError(
                f"{where}: the pattern '{pattern}' matches no {kind} of the program{nearest(pattern, known)}"
            )
        if all(patterns[winner] != value for winner in winners):
            others = ", ".join(f"'{winner}'" for winner in dict.fromkeys(winners))
            raise ConfigError(
                f"{where}: the pattern '{pattern}' has no effect: what it matches is matched by {others} further down, "
                "and the last one wins; move it down or take it out"
            )


def last(patterns: Mapping[str, Value], names: Collection[str], default: Value) -> Value:
    """What the last pattern that matches one of `names` says, or `default`."""
    found = default
    for pattern, value in patterns.items():
        if matched(pattern, names):
            found = value
    return found

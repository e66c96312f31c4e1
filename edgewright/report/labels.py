"""Labels of a chart that do not cover each other."""

import math
from collections.abc import Iterable, Sequence

Spot = tuple[float, float]
_GAP = 19.0
_RINGS = (20.0, 30.0, 40.0, 52.0)
_ANGLES = (0, 180, 45, 315, 135, 225, 90, 270)


def spread(positions: Iterable[float], gap: float, low: float, high: float) -> tuple[float, ...]:
    """Positions moved apart so that neighbours keep `gap`, in the same order, within `low` and `high`.

    Where they do not all fit, they are spaced evenly.
    """
    wanted = list(positions)
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    if not wanted:
        return ()
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    placed = [0.0] * len(wanted)
    floor = low
    for index in order:
        placed[index] = max(wanted[index], floor)
        floor = placed[index] + gap
    ceiling = high
    for index in reversed(order):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    return tuple(round(item, 1) for item in placed)


def apart(spots: Sequence[Spot], labelled: Sequence[bool]) -> tuple[Spot, ...]:
    """Where the label of each spot goes: on the spot, or beside it where that would cover another.

    Greedy: each labelled spot in turn takes the nearest free place around it; its own place where none is
    free. Spots without a label are kept clear.
    """
    crowded = [index for index, spot in enumerate(spots) if labelled[index] and _nearest(index, spots) < _GAP]
    placed: list[Spot] = list(spots)
    taken = [spot for index, spot in enumerate(spots) if index not in crowded]
    for index in crowded:
        others = [*taken, *(spots[other] for other in crowded if other != index)]
        places = [spots[index], *_around(spots[index])]
        free = next((place for place in places if all(math.dist(place, item) >= _GAP for item in others)), None)
        placed[index] = free or spots[index]
        taken.append(placed[index])
    return tuple(placed)


def _nearest(index: int, spots: Sequence[Spot]) -> float:
    return min((math.dist(spots[index], spot) for other, spot in enumerate(spots) if other != index), default=math.inf)


def _around(spot: Spot) -> list[Spot]:
    return [
        (round(spot[0] + ring * math.cos(turn), 1), round(spot[1] - ring * math.sin(turn), 1))
        for ring in _RINGS
        for turn in (math.radians(angle) for angle in _ANGLES)
    ]

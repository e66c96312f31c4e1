"""The Pareto front."""

from collections.abc import Sequence


def front(points: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Indices of the points that no other point dominates, in order; every coordinate is better when lower.

    A point dominates another when it is nowhere worse and somewhere better, so equal points are both on
    the front. Quadratic in the number of points.
    """
    return tuple(index for index, point in enumerate(points) if not any(_dominates(other, point) for other in points))


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

"""What layer and root-mean-square normalization share."""

from collections.abc import Mapping
from typing import Any

from edgewright.go.match import Match, dimension, equal_sizes


def refuse_norm(match: Match, *parameters: str) -> str | None:
    """The reason why no kernel does what normalizes `x` over `dims` with `eps` and then applies `parameters`."""
    shape = match.shape("x")
    if [dimension(index, len(shape)) for index in match["dims"] or ()] != [len(shape) - 1]:
        return "normalizes another dimension than the last"
    if not isinstance(match["eps"], int | float):
        return "eps is no number"
    per_channel = all(equal_sizes(match.shape(name), shape[-1:]) for name in parameters)
    return None if per_channel else f"{' or '.join(parameters)} is not one value per channel"


def normalized(match: Match) -> Mapping[str, Any]:
    """The sizes that the kernel normalizes over, for the replacement."""
    return {"normalized": [match.shape("x")[-1]]}

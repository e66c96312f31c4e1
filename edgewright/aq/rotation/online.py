"""Which layers can have their input rotated at run time, and what that costs."""

from collections.abc import Mapping, Sequence

from torch import nn

from edgewright.aq.rotation.spaces import Space
from edgewright.models import rotated
from edgewright.models.rotated import InputRotation


def down_projections(spaces: Sequence[Space], order: Sequence[str]) -> list[str]:
    """The layers that write a residual stream, and whose input no rotation of weights reaches.

    A residual stream is a space with several writers. A layer that runs before anything reads the stream starts it,
    and is none of these: its input is that of the model.

    Args:
        spaces: as `discover` finds them.
        order: all layers, in order of execution; so is the result.
    """
    place = {name: index for index, name in enumerate(order)}
    reached = {reader.layer for space in spaces for reader in space.readers}
    found: set[str] = set()
    for space in spaces:
        owners = {writer.owner for writer in space.writers}
        first = min((place[reader.layer] for reader in space.readers if reader.layer in place), default=len(place))
        if len(owners) > 1:
            found |= {name for name in owners - reached if place.get(name, -1) > first}
    return sorted(found, key=place.__getitem__)


def obstacle(model: nn.Module, name: str) -> str | None:
    """Why the input of the layer cannot be rotated at run time, or None."""
    module = model.get_submodule(name)
    holders = [path for path, other in model.named_modules() if getattr(other, "weight", None) is module.weight]
    others = [path for path in holders if path != name]
    return f"it shares its weight with {others[0]}" if others else rotated.refusal(module)


def counted(rotations: Mapping[str, InputRotation]) -> list[str]:
    """One line for each width: how many rotations there are, before which layers, and what they cost."""
    by_width: dict[int, list[str]] = {}
    for name, rotation in rotations.items():
        by_width.setdefault(rotation.width, []).append(name)
    return [_line(names, rotations[names[0]]) for names in by_width.values()]


def _line(names: Sequence[str], rotation: InputRotation) -> str:
    run = int(rotation.rotation.width)
    runs = "" if run == rotation.width else f" in runs of {run}"
    where = names[0] if len(names) == 1 else f"{names[0]}, ..." if len(names) > 2 else " and ".join(names)
    total = len(names) * rotation.multiply_adds
    plural = "s" if len(names) > 1 else ""
    return (f"{len(names)} online rotation{plural} of width {rotation.width}{runs} (before {where}):"
            f" {total} more multiply-adds for each token")

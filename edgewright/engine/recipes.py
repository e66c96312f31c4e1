"""Which algorithms a recipe of params.yaml uses."""

from edgewright.aq.algorithms import split
from edgewright.config import AqRecipe


def used(recipe: AqRecipe, where: str) -> tuple[str, ...]:
    """Names of the algorithms that quantize some layer, the default rounder among them where a list names none.

    Args:
        recipe: the recipe; a float one uses nothing.
        where: its key, for the message.

    Raises:
        ConfigError: an algorithm does not exist, or stands in the wrong place.
    """
    if recipe.is_float:
        return ()
    lists = {f"{where}.algorithms": recipe.algorithms}
    for layer, override in recipe.layers.items():
        if not isinstance(override, str) and "algorithms" in override.model_fields_set:
            lists[f"{where}.layers.{layer}.algorithms"] = override.algorithms
    found: set[str] = set()
    for key, names in lists.items():
        transforms, rounder = split(names, key)
        found |= {*transforms, rounder}
    return tuple(sorted(found))

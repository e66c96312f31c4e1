"""The algorithms of a recipe, by name. Checking the names imports none of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from edgewright import registry
from edgewright.errors import ConfigError, nearest

if TYPE_CHECKING:
    from edgewright.aq.contract import Rounder, Transform

TRANSFORMS = "edgewright.aq.transforms"
ROUNDERS = "edgewright.aq.rounders"
DEFAULT_ROUNDER = "rtn"


def split(names: Sequence[str], where: str = "algorithms") -> tuple[tuple[str, ...], str]:
    """The transforms and the rounder of a list of algorithms; round-to-nearest where it names no rounder.

    Args:
        names: as in a recipe: transforms, then at most one rounder.
        where: the key, for the message.

    Raises:
        ConfigError: a name is unknown, stands twice, or a rounder is not the last.
    """
    known = (*registry.names(TRANSFORMS), *registry.names(ROUNDERS))
    for index, name in enumerate(names):
        if name not in known:
            raise ConfigError(
                f"{where}: unknown algorithm '{name}'{nearest(name, known)}; known: {', '.join(sorted(known))}"
            )
        if name in names[:index]:
            raise ConfigError(f"{where}: '{name}' stands twice; once is enough")
        if name in registry.names(ROUNDERS) and index + 1 < len(names):
            raise ConfigError(f"{where}: the rounder '{name}' must come last; '{names[-1]}' follows it")
    has_rounder = bool(names) and names[-1] in registry.names(ROUNDERS)
    return (tuple(names[:-1]), names[-1]) if has_rounder else (tuple(names), DEFAULT_ROUNDER)


class Algorithms:
    """Algorithms made from a recipe's options, each once."""

    def __init__(self, options: Mapping[str, Mapping[str, Any]]) -> None:
        self._options = options
        self._made: dict[str, Any] = {}

    def transform(self, name: str) -> "Transform":
        """The transform of that name."""
        return cast("Transform", self._make(TRANSFORMS, name))

    def rounder(self, name: str) -> "Rounder":
        """The rounder of that name."""
        return cast("Rounder", self._make(ROUNDERS, name))

    def check_used(self) -> None:
        """Options were given only for algorithms that the recipe uses.

        Raises:
            ConfigError: naming the first that is not used.
        """
        for name in self._options:
            if name not in self._made:
                raise ConfigError(f"options.{name}: the recipe does not use it{nearest(name, self._made)}")

    def _make(self, package: str, name: str) -> Any:
        if name not in self._made:
            module = registry.load(package, name)
            try:
                options = module.Options.model_validate(dict(self._options.get(name, {})))
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(str(part) for part in first["loc"])
                hint = nearest(key, module.Options.model_fields)
                raise ConfigError(f"options.{name}.{key}: {first['msg']}{hint}") from error
            self._made[name] = module.Algorithm(options)
        return self._made[name]

"""Methods found by their file name, with their options."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgewright import registry
from edgewright.errors import ConfigError, nearest


def load(package: str, name: str, options: Mapping[str, float], where: str) -> Any:
    """`Method`, a dataclass, of the module `name` of `package`, made of `options`.

    Raises:
        ConfigError: there is no such method or option (the nearest is named), or a value is out of range.
    """
    kind = registry.load(package, name).Method
    known = {field.name for field in fields(kind)}
    for option in options:
        if option not in known:
            listed = f"it has: {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{where}: {name} has no option '{option}'{nearest(option, known)}; {listed}")
    try:
        return kind(**options)
    except ValueError as error:
        raise ConfigError(f"{where}: {name}: {error}") from None

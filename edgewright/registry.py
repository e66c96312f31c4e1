"""Choices found by their file name: an algorithm, a rule, a target, a metric is a module of a folder.

Adding a file adds the choice; no list is kept elsewhere. Names are read from the folder without
importing anything, so that `validate` and `plan` stay fast.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from edgewright.errors import ConfigError, nearest


@cache
def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not a package")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def names(package: str) -> tuple[str, ...]:
    """Names of the choices in `package`, sorted; the file `auto_round.py` is the choice `auto-round`."""
    files = _folder(package).glob("*.py")
    return tuple(sorted(file.stem.replace("_", "-") for file in files if not file.stem.startswith("_")))


def module(package: str, name: str) -> str:
    """Dotted name of the module that is the choice `name` of `package`.

    Raises:
        ConfigError: there is no such choice; the message names the nearest.
    """
    known = names(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1].removesuffix("s")
        raise ConfigError(f"unknown {kind} '{name}'{nearest(name, known)}; known: {', '.join(known)}")
    return f"{package}.{name.replace('-', '_')}"


def load(package: str, name: str) -> ModuleType:
    """Import the choice `name` of `package`."""
    return import_module(module(package, name))

"""Targets by name, read from the YAML files of this folder and of a workspace's."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from edgewright.errors import ConfigError, nearest
from edgewright.files import read_yaml
from edgewright.targets.schema import Operator, Target

_FOLDER = Path(__file__).parent
_FAMILIES = "families"


_ADDED: list[Path] = []
"""Files of the workspace that this process works in."""


def look_in(folder: Path) -> None:
    """Find the targets whose YAML files lie in `folder`, beside those that ship: a workspace's own.

    They replace those of the folder that was looked in before.
    """
    found = sorted(folder.glob("*.yaml"))
    if found or _ADDED:
        _ADDED[:] = found
        names.cache_clear()
        load.cache_clear()


@cache
def names() -> tuple[str, ...]:
    """Names of the targets, sorted: the YAML files beside this module, and those of the workspace."""
    return tuple(sorted({file.stem for file in (*_FOLDER.glob("*.yaml"), *_ADDED)}))


@cache
def load(name: str) -> Target:
    """The target `name`.

    Raises:
        ConfigError: there is no such target (the nearest is named), or its file is wrong (file and key).
    """
    if name not in names():
        raise ConfigError(f"unknown target '{name}'{nearest(name, names())}; known: {', '.join(names())}")
    shipped = _FOLDER / f"{name}.yaml"
    own = next((file for file in _ADDED if file.stem == name), None)
    if own is not None and shipped.is_file():
        raise ConfigError(f"{own.parent.name}/{own.name}: a target '{name}' ships; give the file another name")
    return read(own or shipped, _FOLDER / _FAMILIES)


def read(file: Path, families: Path) -> Target:
    """The target of one YAML file, which `extends: NAME` starts from `families/NAME.yaml` or a target that ships.

    Either may extend another. A mapping of the file is merged into theirs, key by key; null removes their key.

    Raises:
        ConfigError: the file cannot be read, or has an unknown or wrong key (file and key).
    """
    values = _extended(file, families)
    kernels = values.pop("kernels", {})
    operators = values.get("operators")
    if not isinstance(operators, Mapping) or not isinstance(kernels, Mapping):
        raise ConfigError(f"{file.name}: kernels and operators must be mappings")
    values["operators"] = {op: _with_kernels(file, op, entry, kernels) for op, entry in operators.items()}
    try:
        return Target.model_validate({**values, "name": file.stem})
    except ValidationError as error:
        raise ConfigError(_line(file, error)) from None


def _extended(file: Path, families: Path, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a file over those of the family or target that it extends, which may extend another."""
    values = _yaml(file)
    name = values.pop("extends", None)
    if name is None:
        return values
    known = {item.stem: item for folder in (families.parent, families) for item in folder.glob("*.yaml")}
    if name not in known:
        raise ConfigError(f"{file.name}: extends: no family '{name}'{nearest(str(name), sorted(known))}")
    if name in below:
        raise ConfigError(f"{file.name}: extends: '{name}' extends itself through {', '.join(below)}")
    return _merged(_extended(known[name], families, (*below, str(name))), values)


def _yaml(file: Path) -> dict[str, Any]:
    try:
        values = read_yaml(file)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{file.name}: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file.name}: must be a mapping")
    return values


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(below, dict):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _with_kernels(file: Path, op: str, entry: Any, kernels: Mapping[str, Any]) -> Any:
    """The operator's entry, the names in `quantized` replaced by the kernels that they name."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{file.name}: operators.{op} must be a mapping, for example {{float: true}}")
    found = []
    for name in entry.get("quantized", ()):
        if name not in kernels:
            raise ConfigError(f"{file.name}: operators.{op}.quantized: no kernel '{name}'{nearest(name, kernels)}")
        found.append({**kernels[name], "name": name})
    return {**entry, "quantized": found}


def _line(file: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    hint = ""
    if first["type"] == "extra_forbidden":
        owner = Operator if first["loc"][0] == "operators" else Target
        fields = [info.alias or name for name, info in owner.model_fields.items()]
        hint = nearest(str(first["loc"][-1]), fields)
        return f"{file.name}: unknown key {key}{hint}"
    return f"{file.name}: {key}: {first['msg']}"

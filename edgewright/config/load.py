"""Read params.yaml, and say what is wrong with it in one line a mistake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from edgewright.config.schema import Params
from edgewright.errors import ConfigError, nearest
from edgewright.files import read_yaml

Model = TypeVar("Model", bound=BaseModel)


def load(path: Path) -> Params:
    """The validated configuration in `path`.

    Raises:
        ConfigError: the file is missing, is no YAML, or breaks the schema; each mistake is named by its key.
    """
    try:
        raw = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `edgewright init` writes one") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    params = parse(Params, raw, str(path))
    params.check_references(str(path))
    return params


def parse(schema: type[Model], raw: Any, where: str) -> Model:
    """`raw` as an instance of `schema`; the mistakes of `raw` as one ConfigError, a line each."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        lines = dict.fromkeys(_line(schema, dict(item), where) for item in error.errors())
        raise ConfigError("\n".join(lines)) from error


def _line(schema: type[BaseModel], error: Mapping[str, Any], where: str) -> str:
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        fields = _fields(schema, location[:-1])
        return f"{where}: {key}: unknown key '{location[-1]}'{nearest(location[-1], fields)}"
    if error["type"] == "missing":
        return f"{where}: {key}: missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = repr(error["input"])
    given = f", got {shown}" if len(shown) <= 60 and error["type"] != "value_error" else ""
    return f"{where}: {key + ': ' if key else ''}{message}{given}"


def _fields(schema: type[BaseModel], location: list[str]) -> set[str]:
    """Fields of the models that can stand at `location`: those of every nested model of the schema below it."""
    at: list[Any] = [schema]
    for part in location:
        fields = _model_fields(at)
        if part in fields:
            at = [fields[part]]
    return set(_model_fields(at))


def _model_fields(annotations: list[Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    pending = list(annotations)
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields |= {name: field.annotation for name, field in annotation.model_fields.items()}
        else:
            pending.extend(getattr(annotation, "__args__", ()))
    return fields

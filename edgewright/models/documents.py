"""The JSON files of a model folder, which others may have written."""

from pathlib import Path
from typing import Any

from edgewright.errors import InputError, first_line
from edgewright.files import read_json


def read_object(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        InputError: it is not readable JSON, or no mapping.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping, got a {type(content).__name__}")
    return content

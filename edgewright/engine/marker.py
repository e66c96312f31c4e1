"""The file in which a stage process tells the scheduler what happened: started, completed, or failed and why."""

import os
from pathlib import Path
from typing import Any, Literal

from edgewright.engine import leftovers
from edgewright.files import read_json, write_json

VARIABLE = "EDGEWRIGHT_MARKER"
"""Environment variable with the marker's path; without it a stage runs unobserved."""


def write(
    state: Literal["started", "completed", "failed"], *, exit_code: int | None = None, message: str = ""
) -> None:
    """Write this process's state; a reader sees the old or the new one, never a part."""
    if not (path := os.environ.get(VARIABLE)):
        return
    with leftovers.published(Path(path)) as file:
        write_json(file, {"state": state, "exit_code": exit_code, "message": message})


def read(path: Path) -> dict[str, Any]:
    """What a stage wrote; empty if none of our code ran."""
    try:
        value: dict[str, Any] = read_json(path)
    except FileNotFoundError:
        return {}
    return value

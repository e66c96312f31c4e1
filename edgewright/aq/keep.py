"""The checkpoint of a float build: the model as it is."""

import shutil
from pathlib import Path
from typing import Any

from edgewright.files import write_json


def keep(source_folder: Path, folder: Path) -> None:
    """Copy the model folder, with a `layers.json` that lists no layer."""
    shutil.copytree(source_folder, folder, dirs_exist_ok=True)
    lists: dict[str, list[Any]] = {"modules": [], "skipped": [], "failures": []}
    checkpoint = {"layout": "source", "reason": "the recipe changes nothing", "further": []}
    report = {"schema": 1, **lists, "transforms": {}, "provenance": {"device": "cpu"}, "checkpoint": checkpoint}
    write_json(folder / "layers.json", report)

"""The checkpoint of a float build: the model as it is."""

import shutil
from pathlib import Path

from edgewright.files import write_json


def keep(source_folder: Path, folder: Path) -> None:
    """Copy the model folder, with a `layers.json` that lists no layer."""
    shutil.copytree(source_folder, folder, dirs_exist_ok=True)
    write_json(folder / "layers.json", {"schema": 1, "modules": [], "skipped": [], "transforms": {}})

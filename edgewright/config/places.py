"""Whether a source in params.yaml is a file or folder, or an id on the Hugging Face hub."""

import re
from pathlib import Path

DATA_KINDS = {
    ".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".txt": "text", ".json": "json", ".jsonl": "json",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"), "image"),
}
"""Suffix of a data file to its kind."""

_MODEL_SUFFIXES = (".pt2", ".safetensors")
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def is_hub_id(source: str, root: Path) -> bool:
    """Whether `source` is a Hugging Face id; if not, it is a path, also where nothing lies there.

    A path is what exists below `root`, what begins with a folder there, what ends like a file that we read, and what
    no id is spelt like.
    """
    if (root / source).exists() or (root / source.partition("/")[0]).is_dir():
        return False
    return _HUB_ID.fullmatch(source) is not None and Path(source).suffix.lower() not in (*DATA_KINDS, *_MODEL_SUFFIXES)

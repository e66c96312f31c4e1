"""Open the rows of a dataset: parquet, CSV, text, image folder or Hugging Face id, through `datasets`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgewright.config import DataSource
from edgewright.config.places import DATA_KINDS, is_hub_id
from edgewright.errors import ConfigError, InputError, first_line, nearest

_BUILDERS = {"tsv": "csv", "image": "imagefolder"}
_REACH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Raw rows of a dataset.

    Attributes:
        table: pyarrow.Table whose columns are named by role (text, image, label, input).
        columns: the dataset's own column name of each role.
        label_names: names of integer labels where the dataset declares them, else empty.
        folder: where relative image paths start from.
        source: the dataset as params.yaml names it.
    """

    table: Any
    columns: Mapping[str, str]
    label_names: tuple[str, ...]
    folder: Path
    source: str


def check(data: DataSource, workspace: Path) -> None:
    """`split` goes with a Hugging Face dataset, which needs one, and with nothing else; so does `name`.

    Raises:
        ConfigError: naming the source and the way out.
    """
    if data.source is None:
        return
    if is_hub_id(data.source, workspace):
        if data.split is None:
            raise ConfigError(f"{data.source}: a Hugging Face dataset needs split: (train, validation, test, ...)")
    elif (data.name, data.split) != (None, None):
        raise ConfigError(f"{data.source}: split and name go with a Hugging Face dataset; name the file of the split")


@contextmanager
def opened(
    data: DataSource, roles: Mapping[str, str], optional: frozenset[str], workspace: Path
) -> Iterator[Rows]:
    """The rows of `data`, in the order of the source, while the context lasts.

    A text file is a row a paragraph; a folder of text files is a row a file; an image folder has the columns
    `image` and `label`, the name of an image's folder. Local sources leave nothing in the caches of `datasets`.

    Args:
        data: an entry of `data` in params.yaml with a `source`.
        roles: column of each role that is wanted.
        optional: roles that may be missing in the dataset.
        workspace: the folder that relative paths start from.

    Raises:
        ConfigError: see `check`.
        InputError: the source is missing, unreachable, unreadable or empty, or lacks a column; one line.
    """
    source = str(data.source)
    path = workspace / source
    check(data, workspace)
    with TemporaryDirectory(prefix="edgewright-") as cache:
        if is_hub_id(source, workspace):
            dataset = _load_hub(data, source)
            folder = workspace
        else:
            dataset = _load_local(path, source, cache)
            folder = path if path.is_dir() else path.parent
        if len(dataset) == 0:
            raise InputError(f"{source}: holds no row")
        names = list(dataset.column_names)
        columns = {}
        for role, column in roles.items():
            if column in names:
                columns[role] = column
            elif role not in optional:
                known = ", ".join(names)
                raise InputError(f"{source}: no column '{column}' ({role}){nearest(column, names)}; columns: {known}")
        label = dataset.features.get(columns.get("label", ""))
        table = dataset.select_columns(list(dict.fromkeys(columns.values()))).with_format("arrow")[:]
        table = table.select([columns[role] for role in columns]).rename_columns(list(columns))
        yield Rows(table, columns, tuple(getattr(label, "names", None) or ()), folder, source)


def _datasets() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets
    import huggingface_hub

    datasets.disable_progress_bars()
    for library in (datasets, huggingface_hub):
        library.logging.set_verbosity(library.logging.CRITICAL)
    return datasets


def _load_local(path: Path, source: str, cache: str) -> Any:
    if not path.exists():
        raise InputError(f"{source}: no such file or folder")
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.suffix.lower() in DATA_KINDS)
    if path.is_file() and path.suffix.lower() not in DATA_KINDS:
        raise InputError(f"{source}: unknown kind of file '{path.suffix}'; known: {', '.join(sorted(DATA_KINDS))}")
    if not files:
        raise InputError(f"{source}: the folder holds no parquet, CSV, JSON, text or image file")
    kinds = sorted({DATA_KINDS[file.suffix.lower()] for file in files})
    if len(kinds) > 1:
        raise InputError(f"{source}: the folder mixes files of the kinds {', '.join(kinds)}; keep one kind")
    options: dict[str, Any] = {}
    if kinds == ["text"]:
        options["sample_by"] = "paragraph" if path.is_file() else "document"
    elif kinds == ["image"]:
        options["drop_labels"] = len({file.parent for file in files}) < 2
    elif kinds == ["tsv"]:
        options["sep"] = "\t"
    names = [str(file.resolve()) for file in files]
    kind = kinds[0]
    builder = _BUILDERS.get(kind, kind)
    try:
        return _datasets().load_dataset(builder, data_files=names, cache_dir=cache, split="train", **options)
    except Exception as error:
        raise InputError(f"{source}: not readable as {kind}: {_reason(error)}") from error


def _load_hub(data: DataSource, source: str) -> Any:
    datasets = _datasets()
    import huggingface_hub

    reachable = not datasets.config.HF_HUB_OFFLINE and _reachable(huggingface_hub)
    offline = (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)
    try:
        if not reachable:
            # Spares half a minute of retries; a dataset that was fetched before still loads.
            datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
        return datasets.load_dataset(source, data.name, split=data.split)
    except Exception as error:
        if not reachable:
            endpoint = huggingface_hub.constants.ENDPOINT
            raise InputError(
                f"{source}: no such file or folder; as a Hugging Face dataset it is not in the cache and {endpoint}"
                " cannot be reached: connect to the network, or download the dataset and name a local parquet file"
            ) from error
        raise InputError(f"{source}: the Hugging Face dataset does not load: {_reason(error)}") from error
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = offline


def _reachable(huggingface_hub: Any) -> bool:
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=_REACH_SECONDS)
    except Exception:
        return False
    return True


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error).rstrip(".")

"""What can be known of a configured model without computing and without importing anything of it."""

from importlib.util import find_spec
from pathlib import Path

from edgewright.config import ModelEntry
from edgewright.config.places import is_hub_id
from edgewright.errors import ConfigError
from edgewright.models.checkpoints import settings


def check(entry: ModelEntry, where: str, workspace: Path) -> None:
    """The files of a model entry and its factory exist.

    Args:
        entry: an entry of `models` in params.yaml.
        where: its key, for the message.
        workspace: the folder that relative paths start from.

    Raises:
        ConfigError: naming the key and what is missing.
        InputError: the weights are quantized by a method that is not read.
    """
    if entry.factory is not None:
        try:
            locate(entry.factory, workspace)
        except ConfigError as error:
            raise ConfigError(f"{where}.factory: {error}") from error
    for key in ("weights", "program"):
        value = getattr(entry, key)
        if value is not None and not (workspace / value).is_file():
            raise ConfigError(f"{where}.{key}: no such file: {value}")
    source = entry.source
    if source is not None and not (workspace / source).is_dir() and not is_hub_id(source, workspace):
        raise ConfigError(f"{where}.source: no such folder: {source}")
    if source is not None:
        settings(workspace / source)


def locate(factory: str, workspace: Path) -> Path | None:
    """File of the factory's module if it lies in the workspace, None if its package is installed; nothing is imported.

    Raises:
        ConfigError: neither is the case.
    """
    module = factory.partition(":")[0]
    path = workspace.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    try:
        installed = find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        installed = None
    if installed is None or installed.origin is None:
        raise ConfigError(f"factory '{factory}': no module {module} in the workspace, and no such package is installed")
    return None

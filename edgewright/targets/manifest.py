"""What was compiled: the record beside an artifact that lets a person integrate it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgewright.files import read_json, write_json

FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class TensorSignature:
    """An input or output of the artifact.

    `quantization` holds scale, zero_point and dtype of its first quantization (input) or last
    dequantization (output): what a board that feeds integers needs; None where it stays float.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Mapping[str, float | int | str] | None = None


@dataclass(frozen=True, slots=True)
class NotDelegated:
    """An operator that the accelerator does not run, its module scope, and why."""

    operator: str
    scope: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Facts of one compiled artifact; `memory_bytes` is the planned memory outside of the weights, if known."""

    target: str
    toolchain: str
    artifact: str
    sha256: str
    size_bytes: int
    delegated: int
    delegates: int
    not_delegated: tuple[NotDelegated, ...]
    versions: Mapping[str, str]
    memory_bytes: int | None
    inputs: tuple[TensorSignature, ...]
    outputs: tuple[TensorSignature, ...]

    def save(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`."""
        write_json(folder / FILE, {"schema": 1, **asdict(self)})


def load(folder: Path) -> dict[str, Any]:
    """The content of a folder's `manifest.json`."""
    value: dict[str, Any] = read_json(folder / FILE)
    return value

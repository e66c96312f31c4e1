"""What a model folder says about its model: `model.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgewright.errors import InputError
from edgewright.files import read_json, write_json

FILE = "model.json"
Kind = Literal["huggingface", "factory", "program"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the forward pass: its name, its shape without the batch dimension, its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's task, signature and size.

    Attributes:
        parameters: number of distinct scalars in its parameters; tied weights count once, integer weights like float.
        vocabulary: number of token ids of a language model, else None.
        preprocess: resize, scale, mean and std for images, as in params.yaml.
        factory: `package.module:function` for a model that a factory builds, else None.
    """

    kind: Kind
    task: str
    inputs: tuple[InputSpec, ...]
    parameters: int
    labels: tuple[str, ...] = ()
    vocabulary: int | None = None
    factory: str | None = None
    preprocess: Mapping[str, Any] = field(default_factory=dict)

    @property
    def float_bytes(self) -> int:
        """Size of the parameters in bytes as float32."""
        return 4 * self.parameters

    def write(self, folder: Path) -> None:
        """Write `model.json` into `folder`."""
        write_json(folder / FILE, {"schema": 1, **asdict(self), "float_bytes": self.float_bytes})

    @staticmethod
    def read(folder: Path) -> "ModelSpec":
        """The spec in `folder`.

        Raises:
            InputError: the folder holds no `model.json`.
        """
        path = folder / FILE
        if not path.is_file():
            raise InputError(f"{path}: missing; a model folder is written by the model stage")
        raw = read_json(path)
        inputs = tuple(InputSpec(item["name"], tuple(item["shape"]), item["dtype"]) for item in raw["inputs"])
        return ModelSpec(
            kind=raw["kind"], task=raw["task"], inputs=inputs, parameters=raw["parameters"],
            labels=tuple(raw["labels"]), vocabulary=raw["vocabulary"], factory=raw["factory"],
            preprocess=raw["preprocess"],
        )

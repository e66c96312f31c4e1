"""Where models and samples come from: the entries of `models` and `data` in params.yaml."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, FiniteFloat, PositiveInt, field_validator, model_validator

from edgewright.config.entry import Entry

Task = Literal["language-modeling", "image-classification", "regression"]


class InputEntry(Entry):
    """The input of a model that does not describe itself, without its batch dimension."""

    shape: tuple[PositiveInt, ...]
    dtype: Literal["float32", "int64"] = "float32"


class Preprocess(Entry):
    """What turns a raw image into the model's input: `((x * scale) - mean) / std` on RGB values 0 to 255, CHW."""

    resize: tuple[PositiveInt, PositiveInt] | None = None
    scale: FiniteFloat = 1.0
    mean: tuple[FiniteFloat, ...] = Field((0.0,), min_length=1)
    std: tuple[FiniteFloat, ...] = Field((1.0,), min_length=1)

    @field_validator("std")
    @classmethod
    def _not_zero(cls, std: tuple[float, ...]) -> tuple[float, ...]:
        if 0 in std:
            raise ValueError("must not be 0")
        return std


class ExportOptions(Entry):
    """Shape that a program is compiled for: batch size, and tokens in a sequence (language models)."""

    batch: PositiveInt = 1
    sequence: PositiveInt = 256


class ModelEntry(Entry):
    """A model: a Hugging Face id or folder (`source`), a factory with safetensors weights, or a `.pt2` program."""

    task: Task
    source: str | None = None
    factory: str | None = Field(None, pattern=r"^[\w.]+:\w+$")
    weights: str | None = None
    program: str | None = None
    input: InputEntry | None = None
    labels: tuple[str, ...] = ()
    preprocess: Preprocess = Preprocess()
    calibration: str
    holdout: str
    export: ExportOptions = ExportOptions()

    @model_validator(mode="after")
    def _one_origin(self) -> "ModelEntry":
        if [self.source, self.factory, self.program].count(None) != 2:
            raise ValueError("give exactly one of source, factory (with weights), program")
        if (self.factory is None) != (self.weights is None):
            raise ValueError("factory and weights go together")
        if self.factory is not None and self.input is None:
            raise ValueError("a factory needs input: {shape: [...]}")
        return self

    @model_validator(mode="after")
    def _channels(self) -> "ModelEntry":
        if self.input is not None:
            channels = self.input.shape[0] if self.input.shape else 1
            for key, values in (("mean", self.preprocess.mean), ("std", self.preprocess.std)):
                if len(values) not in (1, channels):
                    raise ValueError(f"preprocess.{key}: {len(values)} values for an input of {channels} channels;"
                                     f" give 1 or {channels}")
        return self


class Synthetic(Entry):
    """Seeded random input for a model without data; marked as synthetic wherever a figure of it is shown."""

    distribution: Literal["normal", "uniform"] = "normal"
    mean: float = 0.0
    std: float = Field(1.0, gt=0)


class DataSource(Entry):
    """A dataset and the sample to draw from it.

    `columns` maps a role (text, image, label, input) to a column; `range` is the least and the greatest
    number that may stand in an `input` column; `samples` counts windows for a language model and rows
    elsewhere, null takes all; `search` counts further ones, on which a search of gq judges and nothing else looks.
    """

    source: str | None = None
    name: str | None = None
    split: str | None = None
    synthetic: Synthetic | None = None
    columns: Mapping[Literal["text", "image", "label", "input"], str] = {}
    range: tuple[FiniteFloat, FiniteFloat] | None = None
    samples: PositiveInt | None = None
    search: int = Field(0, ge=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _one_origin(self) -> "DataSource":
        if (self.source is None) == (self.synthetic is None):
            raise ValueError("give exactly one of source, synthetic")
        if self.synthetic is not None and self.samples is None:
            raise ValueError("synthetic data needs samples: N")
        if self.search and self.samples is None:
            raise ValueError("search: N goes with samples: N, or nothing would be left for it")
        if self.synthetic is not None and (self.name, self.split) != (None, None):
            raise ValueError("split and name go with a Hugging Face dataset")
        if self.range is not None and ("input" not in self.columns or self.range[0] >= self.range[1]):
            raise ValueError("range: [least, greatest] goes with columns: {input: ...}")
        return self

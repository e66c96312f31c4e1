"""The schema of params.yaml: recipes, schemes, variants and options; models and data are in `sources`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, field_validator, model_validator

from edgewright.config.entry import Entry
from edgewright.config.schemes import GqScheme
from edgewright.config.sources import DataSource, ModelEntry
from edgewright.errors import ConfigError, nearest

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


Device = Literal["cpu", "cuda", "auto"]
Layout = Literal["compressed-tensors", "native", "dequantized", "gptq", "awq"]


class LayerOverride(Entry):
    """Fields of a recipe that differ for the layers of a pattern; only those that are given count."""

    algorithms: Names = ()
    format: Literal["int", "mxfp4"] = "int"
    bits: int = Field(4, ge=2, le=8)
    group: PositiveInt | None = None
    symmetric: bool = True
    clip: bool = False


class AqRecipe(Entry):
    """Weight quantization: transforms, then one rounder (`rtn` unless named); an empty recipe leaves the weights float.

    ```yaml
    awq-w4: {algorithms: [awq], bits: 4, group: 32, layers: {lm_head: skip}}
    ```
    `format: mxfp4` fixes bits, group and symmetry (E2M1 elements, a power of two for each 32). `on_failure` says
    what becomes of a layer that the algorithm cannot quantize; `activations`, where the calibration activations
    wait between two blocks; `checkpoint`, the layouts that are written: the first into the folder itself,
    each other into a folder of its name.
    """

    algorithms: Names = ()
    format: Literal["int", "mxfp4"] = "int"
    bits: int = Field(4, ge=2, le=8)
    group: PositiveInt | None = None
    symmetric: bool = True
    clip: bool = False
    layers: Mapping[str, Literal["skip"] | LayerOverride] = {}
    options: Mapping[str, Mapping[str, Any]] = {}
    on_failure: Literal["stop", "rtn", "float"] = "stop"
    device: Device = "cpu"
    activations: Literal["memory", "disk"] = "memory"
    checkpoint: Annotated[tuple[Layout, ...], BeforeValidator(_listed)] = ()

    @property
    def is_float(self) -> bool:
        """Whether the recipe leaves the weights as they are."""
        return not self.model_fields_set

    @model_validator(mode="after")
    def _mxfp4(self) -> "AqRecipe":
        fixed = {"bits": 4, "group": 32, "symmetric": True, "clip": False}
        entries: list[AqRecipe | LayerOverride] = [self]
        entries += [item for item in self.layers.values() if isinstance(item, LayerOverride)]
        for entry in entries:
            layout = entry.format if "format" in entry.model_fields_set else self.format
            for key in sorted(entry.model_fields_set & fixed.keys()) if layout == "mxfp4" else ():
                if getattr(entry, key) != fixed[key]:
                    raise ValueError(f"{key}: {getattr(entry, key)} does not go with format: mxfp4,"
                                     f" which has {fixed[key]}; give format: int with it")
        return self


class Accept(Entry):
    """Budget of a variant; outside of it the variant is rejected.

    `metric_drop` is in points of the task's metric against the float model, positive when worse.
    """

    metric_drop: float | None = None
    size_bytes: PositiveInt | None = None
    memory_bytes: PositiveInt | None = None
    sram_bytes: PositiveInt | None = None
    flash_bytes: PositiveInt | None = None
    latency_ms: float | None = Field(None, gt=0)


class VariantEntry(Entry):
    """A model, a recipe, a scheme and a target; a list is a product."""

    model: Names
    aq: Names = ("none",)
    gq: Names = ("none",)
    target: Names
    accept: Accept = Accept()


class EvaluateOptions(Entry):
    """Samples that drift is measured on, and samples that a simulator runs."""

    drift_samples: PositiveInt = 64
    simulator_samples: PositiveInt = 2500


class ProfileOptions(Entry):
    """Threads of a latency measurement, measured runs, and runs before them."""

    threads: PositiveInt = 1
    runs: PositiveInt = 50
    warmup: int = Field(5, ge=0)


class Params(Entry):
    """All of params.yaml."""

    models: Mapping[str, ModelEntry]
    data: Mapping[str, DataSource]
    aq: Mapping[str, AqRecipe]
    gq: Mapping[str, GqScheme]
    variants: tuple[VariantEntry, ...] = Field(min_length=1)
    evaluate: EvaluateOptions = EvaluateOptions()
    profile: ProfileOptions = ProfileOptions()

    @field_validator("models", "data", "aq", "gq")
    @classmethod
    def _names(cls, entries: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in entries:
            if not NAME.fullmatch(name) or "--" in name:
                raise ValueError(f"name '{name}' must be lower-case letters, digits, '-' or '_', without '--'")
        return entries

    @model_validator(mode="after")
    def _none(self) -> "Params":
        for section, entries in (("aq", self.aq), ("gq", self.gq)):
            if "none" not in entries:
                raise ValueError(f"{section} needs the entry none: {{}}, which float builds use")
            if entries["none"].model_dump(exclude_unset=True):
                raise ValueError(f"{section}.none must be empty")
        return self

    def check_references(self, where: str) -> None:
        """Every name that an entry uses exists.

        Raises:
            ConfigError: naming the key and the nearest existing name.
        """
        for name, model in self.models.items():
            _known(model.calibration, self.data, f"{where}: models.{name}.calibration", "data")
            _known(model.holdout, self.data, f"{where}: models.{name}.holdout", "data")
        sections = {"model": self.models, "aq": self.aq, "gq": self.gq}
        for index, variant in enumerate(self.variants):
            for section, entries in sections.items():
                for name in getattr(variant, section):
                    _known(name, entries, f"{where}: variants[{index}].{section}", section)


def _known(name: str, entries: Mapping[str, Any], where: str, section: str) -> None:
    if name not in entries:
        raise ConfigError(f"{where}: no entry '{name}' in {section}{nearest(name, entries)}")

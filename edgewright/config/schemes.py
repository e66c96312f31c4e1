"""What graph quantization is asked for: an entry of `gq` in params.yaml."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FiniteFloat, PositiveInt, model_validator

from edgewright.config.entry import Entry
from edgewright.config.precision import PRECISION, Precision
from edgewright.config.search import Search

_WIDE_ACTIVATIONS = 16


class RoundingScheme(Entry):
    """How weights are rounded: a method by name, with its options."""

    method: str = "nearest"
    options: Mapping[str, float] = {}


def _by_name(value: object) -> object:
    return {"method": value} if isinstance(value, str) else value


class WeightScheme(Entry):
    """How gq rounds weights that aq left float, and which integer weights it accepts.

    `power_of_two` restricts the scales to powers of two. `rounding` is a name, or a method with options; left out it is
    `gptq` with static activations and else `nearest`.
    """

    bits: Literal[2, 4, 8, 16] = 8
    granularity: Literal["tensor", "channel", "group"] = "channel"
    group: PositiveInt | None = None
    symmetric: bool = True
    power_of_two: bool = False
    rounding: Annotated[RoundingScheme, BeforeValidator(_by_name)] | None = None

    @model_validator(mode="after")
    def _group(self) -> "WeightScheme":
        if (self.granularity == "group") != (self.group is not None):
            raise ValueError("granularity: group and group: N go together")
        return self

    def __str__(self) -> str:
        group = f" of {self.group}" if self.group else ""
        symmetry = "" if self.symmetric else "asymmetric "
        scales = " with power-of-two scales" if self.power_of_two else ""
        return f"{symmetry}{self.bits}-bit weights per {self.granularity}{group}{scales}"


class CalibrationMethod(Entry):
    """A calibration method by name, with its options."""

    method: str = "histogram"
    options: Mapping[str, float] = {}


class TensorCalibration(Entry):
    """How a tensor gets its range: by a method with its options, or as it is given."""

    method: str | None = None
    options: Mapping[str, float] = {}
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "TensorCalibration":
        if (self.method is None) == (self.min is None and self.max is None) or (self.options and self.method is None):
            raise ValueError("give method, with options or without, or else min and max")
        if self.method is None and (self.min is None or self.max is None or not self.min <= 0 <= self.max
                                    or self.min == self.max):
            raise ValueError(f"min {self.min} and max {self.max}: both are needed, with 0 from min to max, because "
                             "every range holds zero, and not equal")
        return self

    @property
    def given(self) -> tuple[float, float] | None:
        """The range, where it is given."""
        return None if self.min is None or self.max is None else (self.min, self.max)


class Calibration(CalibrationMethod):
    """How activations get their ranges.

    `tensors` maps names of tensors (glob) to another method or a range; later patterns win. `max_clipped` is the share
    of a tensor's values that may lie outside of its range.
    """

    tensors: Mapping[str, TensorCalibration] = {}
    max_clipped: float = Field(0.25, ge=0, le=1)


class ActivationScheme(Entry):
    """How activations are quantized; `dynamic` chooses the parameters of each token at run time."""

    bits: Literal[8, 16] = 8
    mode: Literal["static", "dynamic"] = "static"
    symmetric: bool = False
    power_of_two: bool = False
    calibration: Calibration = Calibration()

    def __str__(self) -> str:
        scales = " with power-of-two scales" if self.power_of_two else ""
        return f"{self.mode} {self.bits}-bit activations{scales}"


class LayerScheme(Entry):
    """Weights and activations of the modules of a pattern; what is left out stays as the scheme has it."""

    weights: WeightScheme | None = None
    activations: ActivationScheme | None = None


LayerPrecision = Precision | WeightScheme | LayerScheme


class GqScheme(Entry):
    """Graph quantization; an empty scheme leaves the program float.

    ```yaml
    w8a8: {weights: {bits: 8}, activations: {bits: 8, calibration: {method: histogram}}}
    mixed: {weights: {bits: 8}, activations: {bits: 8}, layers: {stem: float, "stage1.*": w8a16}}
    half: {dtype: float16}
    ```
    `layers` maps module scopes (glob) to a precision, to other weights, or to weights and activations.
    `corrections` are tried in their order. `dtype` is what runs in float. `search` finds `layers`; those that are given
    stay and win. `encodings` is an edited `encodings.json`, whose scales and zero points replace those that would be
    found. `tuned` is the record of `edgewright tune` that led to the scheme; the report shows it.
    """

    weights: WeightScheme | None = None
    activations: ActivationScheme | None = None
    layers: Mapping[str, LayerPrecision] = {}
    corrections: tuple[str, ...] = ("bias",)
    dtype: Literal["float32", "float16"] = "float32"
    search: Search | None = None
    encodings: str | None = None
    tuned: str | None = None

    @property
    def is_float(self) -> bool:
        """Whether the scheme quantizes nothing; it may still say in which type the program computes."""
        return self.weights is None and self.activations is None

    @property
    def is_empty(self) -> bool:
        """Whether the scheme leaves the program as it is."""
        return self.is_float and self.dtype == "float32"

    @model_validator(mode="after")
    def _layers(self) -> "GqScheme":
        if self.layers and self.is_float:
            raise ValueError("layers changes what weights or activations say; give one of them, or leave layers out")
        if self.is_float and (self.search is not None or self.encodings is not None):
            raise ValueError("search and encodings go with weights or activations, whose form they keep")
        for pattern, layer in self.layers.items():
            if isinstance(layer, LayerScheme) and layer.activations and layer.activations.calibration.tensors:
                raise ValueError(f"layers: {pattern}: tensors stands once, under activations.calibration of the scheme")
        return self

    @property
    def all_activations(self) -> dict[str, ActivationScheme]:
        """Everything that is said of activations, by its key in the scheme."""
        found = {} if self.activations is None else {"activations": self.activations}
        for pattern, layer in self.layers.items():
            if isinstance(layer, LayerScheme) and layer.activations is not None:
                found[f"layers.{pattern}.activations"] = layer.activations
        return found

    @property
    def calibration_methods(self) -> tuple[str, ...]:
        """Names of the calibration methods that the scheme uses, sorted."""
        found = set()
        for activations in self.all_activations.values():
            if activations.mode == "static":
                tensors = activations.calibration.tensors.values()
                found |= {activations.calibration.method, *(item.method for item in tensors if item.method is not None)}
        return tuple(sorted(found))

    def of_layer(self, pattern: str) -> LayerScheme | None:
        """What holds for the modules of a pattern of `layers`; None leaves them float."""
        return self.resolved(self.layers[pattern])

    def resolved(self, precision: LayerPrecision) -> LayerScheme | None:
        """A precision in full: what it does not say is as in this scheme; None is float.

        The short form changes bits alone, but 16-bit activations are symmetric, as integer kernels want them, and
        16-bit weights lie per channel.
        """
        if isinstance(precision, WeightScheme):
            return LayerScheme(weights=precision, activations=self.activations)
        if isinstance(precision, LayerScheme):
            return LayerScheme(weights=precision.weights or self.weights,
                               activations=precision.activations or self.activations)
        found = PRECISION.fullmatch(precision)
        if found is None:
            return None
        bits, activation_bits = int(found[1]), int(found[2])
        weights, activations = self.weights or WeightScheme(), self.activations or ActivationScheme()
        symmetric = activations.symmetric or activation_bits == _WIDE_ACTIVATIONS
        return LayerScheme(
            weights=WeightScheme.model_validate({**weights.model_dump(), "bits": bits}),
            activations=ActivationScheme.model_validate(
                {**activations.model_dump(), "bits": activation_bits, "symmetric": symmetric}
            ),
        )

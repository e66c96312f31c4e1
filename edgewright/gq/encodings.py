"""`encodings.json`: what every tensor and weight is quantized with; readable, editable, and read back as overrides."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgewright import config, ir
from edgewright.config.schemes import WeightScheme
from edgewright.errors import ConfigError, nearest
from edgewright.files import read_json
from edgewright.gq.annotate import LeftFloat
from edgewright.gq.groups import Group
from edgewright.gq.parameters import ActivationGrid, Parameters
from edgewright.gq.weights import IntegerWeight
from edgewright.targets import Target

_POWER_OF_TWO_MANTISSA = 0.5
_GRID = {"bits", "granularity", "group", "symmetric", "power_of_two"}
_TINY = float(np.finfo(np.float32).tiny)
_HUGE = float(np.finfo(np.float32).max)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorEncoding(_Entry):
    """One group of tensors that share parameters, mostly a group of one.

    `min` and `max` are the smallest and the largest real number that the integers reach; they follow from scale and
    zero point and are ignored when the file is read back, as are `method` and `clipped`, the share of the sample's
    values that lie outside.
    """

    name: str
    scope: str
    operator: str
    bits: Literal[8, 16]
    dtype: Literal["int8", "int16"]
    symmetric: bool
    power_of_two: bool = False
    unsigned: bool = False
    scale: float = Field(ge=_TINY, le=_HUGE)
    zero_point: int
    min: float
    max: float
    method: str
    clipped: float = Field(0.0, ge=0, le=1)
    shared_by: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_grid(self) -> "TensorEncoding":
        half = 1 << (self.bits - 1)
        if not -half <= self.zero_point < half:
            raise ValueError(f"zero_point {self.zero_point} is outside of {-half}..{half - 1}")
        if self.symmetric and self.zero_point and not (self.unsigned and self.zero_point == -half):
            allowed = f"0 or {-half}" if self.unsigned else "0"
            raise ValueError(f"zero_point {self.zero_point} must be {allowed}, because the tensor is symmetric")
        if self.power_of_two and math.frexp(self.scale)[0] != _POWER_OF_TWO_MANTISSA:
            raise ValueError(f"scale {self.scale:g} must be a power of two")
        return self


class WeightEncoding(_Entry):
    """The weight of one operator. `scales` is null for groups, which are too many to be edited."""

    module: str
    operator: str
    bits: int
    granularity: Literal["tensor", "channel", "group"]
    group: int | None
    symmetric: bool
    power_of_two: bool = False
    source: str
    scale_min: float
    scale_max: float
    scales: tuple[float, ...] | None


class LeftFloatEncoding(_Entry):
    """An operator that stays float, and why."""

    scope: str
    operator: str
    reason: str


class CorrectionEncoding(_Entry):
    """A rounding method or a correction that was tried.

    How many operators it changed, whether it was kept, and the output's mean squared error with and without it.
    """

    methods: tuple[str, ...]
    operators: int
    applied: bool
    output_mse: float
    output_mse_without: float


class Encodings(_Entry):
    """All of encodings.json.

    `dynamic` names the modules whose activations get their parameters at run time, `float16` those that compute in
    half.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    target: str
    tensors: tuple[TensorEncoding, ...] = ()
    weights: tuple[WeightEncoding, ...] = ()
    dynamic: tuple[str, ...] = ()
    float16: tuple[str, ...] = ()
    left_float: tuple[LeftFloatEncoding, ...] = ()
    corrections: tuple[CorrectionEncoding, ...] = ()

    def json_value(self) -> dict[str, Any]:
        """What is written to the file."""
        return self.model_dump(mode="json", by_alias=True)


class Overrides:
    """Scales and zero points that replace what calibration and rounding would choose.

    An edited encodings.json, whole or with entries left out: a tensor or a weight that it does not list is quantized as
    the scheme says.
    """

    def __init__(self, encodings: Encodings, where: str) -> None:
        self._where = where
        self._target = encodings.target
        self._tensors = {item.name: item for item in encodings.tensors}
        self._weights = {item.module: item for item in encodings.weights}

    @staticmethod
    def load(path: Path) -> "Overrides":
        """The overrides in a file.

        Raises:
            ConfigError: the file is missing, is no JSON, has an unknown key, or a value is out of range.
        """
        try:
            raw = read_json(path)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{path}: not JSON: {error}") from None
        return Overrides.parse(raw, str(path))

    @staticmethod
    def parse(raw: Any, where: str) -> "Overrides":
        """The overrides in a JSON value; `where` starts each message.

        Raises:
            ConfigError: an unknown key, or a value is out of range.
        """
        return Overrides(config.parse(Encodings, raw, where), where)

    def check(self, target: Target, groups: Sequence[Group], weights: Mapping[str, WeightScheme | None]) -> None:
        """The file is for `target`; every entry names something that is quantized, on the grid the scheme gives it.

        Raises:
            ConfigError: naming the entry, and the nearest name.
        """
        if self._target != target.name:
            raise ConfigError(f"{self._where}: target is {self._target}; the program is quantized for {target.name}")
        known = {group.name: group for group in groups}
        for name, item in self._tensors.items():
            if name not in known:
                raise ConfigError(f"{self._where}: no quantized tensor '{name}'{nearest(name, known)}")
            grid = known[name].grid
            listed = ActivationGrid(item.bits, item.symmetric, item.power_of_two, item.unsigned)
            if listed != grid:
                raise ConfigError(
                    f"{self._where}: '{name}' has {_described(listed)}; the scheme gives it {_described(grid)}"
                )
        for name, entry in self._weights.items():
            if name not in weights:
                raise ConfigError(f"{self._where}: no quantized weight of a module '{name}'{nearest(name, weights)}")
            values, scheme = entry.model_dump(include=_GRID), weights[name]
            if scheme is None or values != scheme.model_dump(include=_GRID):
                shown = WeightScheme.model_construct(**values)
                raise ConfigError(f"{self._where}: '{name}' has {shown}; the scheme gives it {scheme}")

    def parameters(self, name: str) -> Parameters | None:
        """Parameters of a group of tensors, or None where the file does not list it."""
        item = self._tensors.get(name)
        return None if item is None else Parameters(float(np.float32(item.scale)), item.zero_point)

    def lists(self, module: str) -> bool:
        """Whether the file gives scales of a module's weight."""
        item = self._weights.get(module)
        return item is not None and item.scales is not None and item.source != "aq"

    def scale(self, module: str, weight: torch.Size, granularity: str) -> torch.Tensor | None:
        """Scales of a module's weight (float32 [out] or [1]), or None where the file lists none.

        Raises:
            ConfigError: their number is not that of the output channels, or one is not a positive float32.
        """
        item = self._weights.get(module)
        if item is None or item.scales is None or not self.lists(module):
            return None
        wanted = 1 if granularity == "tensor" else int(weight[0])
        if len(item.scales) != wanted:
            raise ConfigError(f"{self._where}: weights of '{module}': {len(item.scales)} scales, {wanted} are needed")
        for index, value in enumerate(item.scales):
            if not (math.isfinite(value) and _TINY <= value <= _HUGE):
                raise ConfigError(f"{self._where}: weights of '{module}': scales[{index}] is {value:g}; "
                                  "a positive float32 is needed")
        return torch.tensor(item.scales, dtype=torch.float32)


def _described(grid: ActivationGrid) -> str:
    unsigned = ", unsigned" if grid.unsigned else ""
    return f"{grid.bits} bits, symmetric {grid.symmetric}, power_of_two {grid.power_of_two}{unsigned}"


def tensor_encoding(
    group: Group, parameters: Parameters, method: str, clipped: float, names: Mapping[Any, str]
) -> TensorEncoding:
    """The entry of a group of tensors."""
    first = group.members[0]
    low, high = group.grid.limits(parameters)
    operator = ir.operator_name(first.target) if first.op == "call_function" else first.op
    return TensorEncoding(
        name=group.name, scope=ir.scope(first), operator=operator, bits=8 if group.grid.bits == 8 else 16,
        dtype="int8" if group.grid.dtype == "int8" else "int16", symmetric=group.grid.symmetric,
        power_of_two=group.grid.power_of_two, unsigned=group.grid.unsigned, scale=parameters.scale,
        zero_point=parameters.zero_point, min=low, max=high, method=method, clipped=clipped,
        shared_by=tuple(names[member] for member in group.members[1:]),
    )  # fmt: skip


def weight_encoding(weight: IntegerWeight, operator: str) -> WeightEncoding:
    """The entry of a weight."""
    scheme = weight.scheme
    return WeightEncoding(
        module=weight.module, operator=operator, bits=scheme.bits, granularity=scheme.granularity,
        group=scheme.group, symmetric=scheme.symmetric, power_of_two=scheme.power_of_two,
        source=weight.source,
        scale_min=float(weight.scale.min()), scale_max=float(weight.scale.max()),
        scales=None if scheme.group else tuple(float(value) for value in weight.scale.reshape(-1)),
    )  # fmt: skip


def left_float_encoding(item: LeftFloat) -> LeftFloatEncoding:
    """The entry of an operator that stays float."""
    return LeftFloatEncoding(
        scope=ir.scope(item.node), operator=ir.operator_name(item.node.target), reason=item.reason
    )

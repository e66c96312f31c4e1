"""Modules whose weights are integers, and the checkpoint folder that stores them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.errors import InputError
from edgewright.files import read_json, write_json
from edgewright.ir.operators import register
from edgewright.rounding import Grid, QuantizedWeight

FILE = "quantization.json"


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How a module's weight is stored: an entry of `modules` in quantization.json.

    Attributes:
        grid: the integers and their groups.
        shape: of the float weight, [out, in] or [out, in / groups, height, width].
        float_zero_point: the zero points are float32 and not integers of the grid.
    """

    grid: Grid
    shape: tuple[int, ...]
    float_zero_point: bool = False

    @property
    def columns(self) -> int:
        """Columns of the weight as a matrix [out, columns]; a kernel is flattened."""
        return int(torch.Size(self.shape[1:]).numel())

    @property
    def padded(self) -> int:
        """`columns` filled up to whole groups."""
        return self.grid.groups(self.columns) * self.grid.width(self.columns)

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape of the integer tensor: the float weight's per channel, [out, padded] in groups."""
        return self.shape if self.grid.group is None else (self.shape[0], self.padded)


class _Quantized(nn.Module):
    """Integer weight and its dequantization.

    Buffers: `weight` int8 of shape `format.stored`, `weight_scale` float32 [out, groups], `weight_zero_point`
    int8 (or float32) [out, groups]; a ragged last group is filled up with columns of 0 that nothing reads.
    """

    format: WeightFormat

    def _store(self, weight_format: WeightFormat) -> None:
        register()
        self.format = weight_format
        parameters = (weight_format.shape[0], weight_format.grid.groups(weight_format.columns))
        kind = torch.float32 if weight_format.float_zero_point else torch.int8
        self.register_buffer("weight", torch.zeros(weight_format.stored, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(parameters))
        self.register_buffer("weight_zero_point", torch.zeros(parameters, dtype=kind))

    def assign(self, weight: QuantizedWeight) -> None:
        """Take over integers [out, columns] and parameters [out, groups] that fit `format`."""
        missing = self.format.padded - self.format.columns
        integers = functional.pad(weight.integers, (0, missing))
        self.weight = integers.reshape(self.format.stored).contiguous()
        self.weight_scale = weight.scale.to(torch.float32).contiguous()
        self.weight_zero_point = weight.zero_point.contiguous()

    def dequantized(self) -> Tensor:
        """The float weight of shape `format.stored`, one dequantize operator of the graph."""
        grid, stored = self.format.grid, self.format.stored
        block = [1, *stored[1:]] if grid.group is None else [1, grid.group]
        value = torch.ops.torchao.dequantize_affine(
            self.weight, block, self.weight_scale, self.weight_zero_point, torch.int8, grid.qmin, grid.qmax
        )
        return cast(Tensor, value)


class QuantizedLinear(_Quantized):
    """`nn.Linear` on an integer weight: dequantize, then linear.

    With a ragged last group the input, and not the dequantized weight, is filled up, so that constant,
    dequantize and linear stay next to each other for the kernels that take them as one.
    """

    def __init__(self, weight_format: WeightFormat, bias: nn.Parameter | None) -> None:
        super().__init__()
        self._store(weight_format)
        self.out_features, self.in_features = weight_format.shape
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in_features] float32 -> [..., out_features] float32."""
        missing = self.format.padded - self.in_features
        filled = functional.pad(x, (0, missing)) if missing else x
        return functional.linear(filled, self.dequantized(), cast("Tensor | None", self.bias))

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.format.grid}"


class QuantizedConv2d(_Quantized, nn.Conv2d):
    """`nn.Conv2d` on an integer weight: dequantize, then conv2d."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        matrix = self.dequantized()
        if matrix.shape != self.format.shape:
            matrix = matrix[:, : self.format.columns].reshape(self.format.shape)
        return super()._conv_forward(input, matrix, bias)

    def extra_repr(self) -> str:
        """What printing a model shows of it."""
        return f"{nn.Conv2d.extra_repr(self)}, {self.format.grid}"


def refusal(module: nn.Module) -> str | None:
    """Why the module cannot be replaced by its quantized form, or None where it can."""
    if isinstance(module, nn.Linear):
        return None if type(module).forward is nn.Linear.forward else "its class overrides the forward of Linear"
    if isinstance(module, nn.Conv2d):
        is_own = type(module)._conv_forward is nn.Conv2d._conv_forward
        return None if is_own else "its class overrides the convolution of Conv2d"
    return f"{type(module).__name__} has no quantized form"


def replace(model: nn.Module, name: str, weight_format: WeightFormat) -> QuantizedLinear | QuantizedConv2d:
    """Put a quantized module with zero weights in the place of the Linear or Conv2d `name` of `model`.

    The bias stays. A Conv2d of a derived class keeps the rest of its class's behaviour (its own padding).

    Raises:
        InputError: there is no such module, it cannot be replaced, or its weight has another shape.
    """
    try:
        module = model.get_submodule(name)
    except AttributeError as error:
        raise InputError(f"{name}: the model has no such module") from error
    reason = refusal(module)
    if reason is not None:
        raise InputError(f"{name}: {reason}; skip it under layers")
    if tuple(cast(Tensor, module.weight).shape) != weight_format.shape:
        raise InputError(
            f"{name}: weight of shape {list(cast(Tensor, module.weight).shape)} in the model, "
            f"{list(weight_format.shape)} in {FILE}"
        )
    new = _linear(module, weight_format) if isinstance(module, nn.Linear) else _conv(module, weight_format)
    new.train(module.training)
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)
    return new


def _linear(module: nn.Module, weight_format: WeightFormat) -> QuantizedLinear:
    return QuantizedLinear(weight_format, cast("nn.Parameter | None", module.bias))


def _conv(module: nn.Module, weight_format: WeightFormat) -> QuantizedConv2d:
    cls = type(module)
    own = QuantizedConv2d
    if cls is not nn.Conv2d:
        own = cast("type[QuantizedConv2d]", type(f"Quantized{cls.__name__}", (QuantizedConv2d, cls), {}))
    new = own.__new__(own)
    new.__dict__ = dict(module.__dict__)
    for store in ("_parameters", "_buffers", "_modules"):
        new.__dict__[store] = dict(module.__dict__[store])
    del new._parameters["weight"]
    new._store(weight_format)
    return new


def describe(formats: Mapping[str, WeightFormat]) -> dict[str, Any]:
    """The content of quantization.json."""
    return {
        "schema": 1,
        "modules": {
            name: {
                "bits": item.grid.bits, "group": item.grid.group, "symmetric": item.grid.symmetric,
                "qmin": item.grid.qmin, "qmax": item.grid.qmax, "shape": list(item.shape),
                "zero_point": "float32" if item.float_zero_point else "int8",
            }
            for name, item in formats.items()
        },
    }  # fmt: skip


def write(formats: Mapping[str, WeightFormat], folder: Path) -> None:
    """Write quantization.json into `folder`."""
    write_json(folder / FILE, describe(formats))


def read(folder: Path) -> dict[str, WeightFormat]:
    """The formats that quantization.json in `folder` states, by module.

    Raises:
        InputError: the file is not of schema 1, or states a range that is not that of its bits.
    """
    path = folder / FILE
    raw = read_json(path)
    if raw.get("schema") != 1:
        raise InputError(f"{path}: schema {raw.get('schema')}; schema 1 is known")
    formats = {}
    for name, item in raw["modules"].items():
        grid = Grid(item["bits"], item["symmetric"], item["group"])
        if (grid.qmin, grid.qmax) != (item["qmin"], item["qmax"]):
            raise InputError(f"{path}: modules.{name}: qmin..qmax {item['qmin']}..{item['qmax']}, "
                             f"its bits give {grid.qmin}..{grid.qmax}")
        formats[name] = WeightFormat(grid, tuple(item["shape"]), item["zero_point"] == "float32")
    return formats


def prepare(model: nn.Module, folder: Path) -> None:
    """Replace the modules that quantization.json in `folder` names, so that its tensors can be loaded.

    Raises:
        InputError: the file does not fit the model.
    """
    for name, weight_format in read(folder).items():
        replace(model, name, weight_format)

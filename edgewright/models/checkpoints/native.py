"""The layout of this library: integers as int8 tensors, and their formats in quantization.json.

It holds everything: convolutions, embeddings, ragged last groups, float zero points, permuted columns, rotated inputs.
A rotation is stated by its seed, of float layers under `rotated`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from edgewright.errors import InputError
from edgewright.models import quantized, rotated
from edgewright.models.documents import read_object
from edgewright.models.quantized import QuantizedModule, WeightFormat
from edgewright.rounding import Grid

FILE = "quantization.json"


def refusal(module: QuantizedModule) -> str | None:
    """It holds every layer."""
    return None


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """The state of the model as it is."""
    return dict(model.state_dict())


def configuration(model: nn.Module) -> None:
    """transformers does not read this layout."""


def documents(model: nn.Module) -> Mapping[str, Any]:
    """quantization.json."""
    content = describe({name: module.format for name, module in quantized.quantized_modules(model).items()})
    floats = {name: module.rotation.seed for name, module in rotated.rotated_modules(model).items()}
    return {FILE: content | ({"rotated": floats} if floats else {})}


def describe(formats: Mapping[str, WeightFormat]) -> dict[str, Any]:
    """The content of quantization.json."""
    return {
        "schema": 1,
        "modules": {
            name: {
                "format": item.grid.format, "bits": item.grid.bits, "group": item.grid.group,
                "symmetric": item.grid.symmetric, "qmin": item.grid.qmin, "qmax": item.grid.qmax,
                "shape": list(item.shape), "zero_point": "float32" if item.float_zero_point else "int8",
                "permuted": item.permuted, "rotation": item.rotation,
            }
            for name, item in formats.items()
        },
    }  # fmt: skip


def read(folder: Path) -> dict[str, WeightFormat]:
    """The formats that quantization.json in `folder` states, by module.

    Raises:
        InputError: the file is not of schema 1, or states a range that is not that of its bits.
    """
    path = folder / FILE
    raw = read_object(path)
    if raw.get("schema") != 1:
        raise InputError(f"{path}: schema {raw.get('schema')}; schema 1 is known")
    formats = {}
    for name, item in raw["modules"].items():
        grid = Grid(item["bits"], item["symmetric"], item["group"], item.get("format", "int"))
        if (grid.qmin, grid.qmax) != (item["qmin"], item["qmax"]):
            raise InputError(f"{path}: modules.{name}: qmin..qmax {item['qmin']}..{item['qmax']}, "
                             f"its bits give {grid.qmin}..{grid.qmax}")
        formats[name] = WeightFormat(
            grid, tuple(item["shape"]), item["zero_point"] == "float32", item.get("permuted", False),
            item.get("rotation"),
        )  # fmt: skip
    return formats


def prepare(model: nn.Module, folder: Path) -> None:
    """Replace the modules that quantization.json in `folder` names, so that its tensors can be loaded.

    Raises:
        InputError: the file does not fit the model.
    """
    for name, seed in read_object(folder / FILE).get("rotated", {}).items():
        try:
            module = model.get_submodule(name)
        except AttributeError as error:
            raise InputError(f"{folder / FILE}: rotated.{name}: the model has no such module") from error
        reason = rotated.refusal(module)
        if reason is not None:
            raise InputError(f"{folder / FILE}: rotated.{name}: {reason}")
        rotated.behind_rotation(cast(nn.Linear, module), seed)
    for name, weight_format in read(folder).items():
        quantized.replace(model, name, weight_format)

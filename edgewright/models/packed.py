"""Take over the integers of a checkpoint in a layout of others, and write a model in any layout."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgewright.errors import InputError, first_line
from edgewright.files import write_json
from edgewright.models import checkpoints, conv1d, quantized, rotated, weights
from edgewright.models.checkpoints import ReadableLayout
from edgewright.models.checkpoints._common import BUFFERS
from edgewright.models.documents import read_object
from edgewright.models.quantized import QuantizedModule, WeightFormat

_CONFIG = "config.json"
_CARRIERS = ("dequantized", checkpoints.NATIVE)
_MALFORMED = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RuntimeError, re.error)
"""What reading fails with where a file of others has values or shapes that no writer gives it."""


def install(model: nn.Module, tensors: weights.Tensors, settings: Mapping[str, Any], where: str) -> None:
    """Replace the layers of `model` whose integers are in `tensors` by quantized ones.

    Their tensors are taken out of `tensors`, and those of the quantized modules put in, under the names that the
    model's state has for them now.

    Args:
        model: as the configuration builds it; parameters may be on the meta device.
        tensors: of the whole checkpoint.
        settings: the `quantization_config`.
        where: the folder, for the message.

    Raises:
        InputError: naming the layer, or the key of the configuration, that is not read.
    """
    layout = cast(ReadableLayout, checkpoints.load(settings["quant_method"]))
    try:
        layout.check(settings)
    except _MALFORMED as error:
        raise InputError(f"{where}: {_CONFIG}: quantization_config: {_said(error)}") from error
    mark = f".{layout.MARK}"
    for name in [key.removesuffix(mark) for key in tensors if key.endswith(mark)]:
        own = {item: tensors.pop(f"{name}.{item}") for item in layout.SUFFIXES if f"{name}.{item}" in tensors}
        try:
            module = model.get_submodule(name)
            if not isinstance(module, nn.Linear | nn.Embedding):
                raise ValueError(f"it is a {type(module).__name__}, and not a Linear")
            weight, order = layout.unpack(name, module, own, settings)
        except _MALFORMED as error:
            raise InputError(f"{where}: {name}: {_said(error)}") from error
        _drop_empty_bias(name, module, tensors)
        form = WeightFormat(weight.grid, tuple(module.weight.shape), permuted=order is not None)
        new = quantized.replace(model, name, form)
        new.assign(weight, order)
        tensors |= {f"{name}.{item}": cast(Tensor, getattr(new, item)) for item in BUFFERS if hasattr(new, item)}


def refusal(layout: str, model: nn.Module) -> str | None:
    """The first layer that the layout cannot hold, and why, or None where it holds all."""
    if layout in _CARRIERS:
        return None
    turned = next(iter(rotated.rotated_modules(model)), None)
    if turned is not None:
        return f"{turned}: its input is rotated at run time, and the layout has no such operator"
    modules = quantized.quantized_modules(model)
    if not modules:
        return "no layer has integer weights"
    reason = layer_refusal(layout, model, modules.items())
    if reason is None:
        try:
            checkpoints.load(layout).configuration(model)
        except ValueError as error:
            return str(error)
    return reason


def layer_refusal(layout: str, model: nn.Module, layers: Iterable[tuple[str, QuantizedModule]]) -> str | None:
    """The first of `layers` of `model` that the layout cannot hold, and why."""
    if layout in _CARRIERS:
        return None
    transposed = conv1d.original_names(model)
    if transposed:
        return f"{transposed[0]}: it is a Conv1D in transformers, and the layout has Linear layers only"
    writer = checkpoints.load(layout)
    reasons = ((name, writer.refusal(module)) for name, module in layers)
    return next((f"{name}: {reason}" for name, reason in reasons if reason is not None), None)


def write(layout: str, model: nn.Module, source: Path, folder: Path) -> None:
    """Write the weights, and what describes them, of a model that the layout can hold.

    Args:
        layout: its name.
        model: with integer weights.
        source: the folder of the float model, whose config.json is taken over if there is one.
        folder: exists.
    """
    writer = checkpoints.load(layout)
    weights.write(writer.tensors(model), folder / "model.safetensors", {"format": "pt"})
    for name, document in writer.documents(model).items():
        write_json(folder / name, document)
    if (source / _CONFIG).is_file():
        write_json(folder / _CONFIG, _config(read_object(source / _CONFIG), model, writer.configuration(model)))


def _config(raw: dict[str, Any], model: nn.Module, settings: dict[str, Any] | None) -> dict[str, Any]:
    """config.json of float32 weights, whose head is tied only if it still is."""
    raw = {key: value for key, value in raw.items() if key not in ("torch_dtype", "quantization_config")}
    raw["dtype"] = "float32"
    if settings is not None:
        raw["quantization_config"] = settings
    find = getattr(model, "get_output_embeddings", None)
    head, embedding = (find(), cast(Any, model).get_input_embeddings()) if find else (None, None)
    if head is not None and embedding is not None and head.weight is not embedding.weight:
        raw["tie_word_embeddings"] = False
    return raw


def _drop_empty_bias(name: str, module: nn.Module, tensors: weights.Tensors) -> None:
    # Some writers give every layer a bias, of zeros where the model has none.
    bias = tensors.get(f"{name}.bias")
    if bias is not None and getattr(module, "bias", None) is None and not bool(torch.any(bias)):
        del tensors[f"{name}.bias"]


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else first_line(error)

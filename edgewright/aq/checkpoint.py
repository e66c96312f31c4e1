"""The folder that weight quantization writes: the model in one layout or more, and what was measured."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from edgewright.aq.block import Layer
from edgewright.aq.report import QuantizedModel, describe
from edgewright.errors import InputError
from edgewright.files import write_json
from edgewright.models import checkpoints, packed
from edgewright.models.checkpoints import native
from edgewright.models.load import LoadedModel
from edgewright.models.packed import layer_refusal
from edgewright.models.quantized import WeightFormat, converted

_REPORT = "layers.json"
_REPLACED = {native.FILE, _REPORT, "config.json", "quantize_config.json", "model.safetensors.index.json"}
_REPLACED_SUFFIXES = {".safetensors", ".pt2"}


def save(model: QuantizedModel, source_folder: Path, folder: Path, layouts: Sequence[str] = ()) -> None:
    """Write the weights, their description and `layers.json`, and copy what else the model folder holds.

    Args:
        model: the result of `quantize`.
        source_folder: the folder of the float model: model.json, configuration and tokenizer.
        folder: created if it does not exist. Tied tensors are stored once, under their first name.
        layouts: `checkpoint` of the recipe: the first goes into the folder itself, each other into a folder of its
            name. Without any it is compressed-tensors for a Hugging Face model if that holds every layer, else
            quantization.json.

    Raises:
        InputError: a layout that was asked for cannot hold a layer.
    """
    for layout in layouts:
        _check(layout, _refusal(layout, model, source_folder))
    reason = "asked for" if layouts else _refusal(checkpoints.DEFAULT, model, source_folder)
    primary = layouts[0] if layouts else checkpoints.DEFAULT if reason is None else checkpoints.NATIVE
    _write(primary, model, source_folder, folder)
    for layout in layouts[1:]:
        _write(layout, model, source_folder, folder / layout)
    report = describe(model)
    report["checkpoint"] = {"layout": primary, "reason": reason or "it holds every layer", "further": list(layouts[1:])}
    write_json(folder / _REPORT, report)


def check(model: LoadedModel, layers: Sequence[Layer], layouts: Sequence[str]) -> None:
    """Refuse before the work, by their bits, groups and kinds, layers that `save` would refuse behind it.

    Raises:
        InputError: naming the layout and the first layer that it cannot hold.
    """
    for layout in layouts:
        with torch.device("meta"):
            planned = [
                (layer.name, converted(layer.module, WeightFormat(layer.grid, tuple(layer.weight.shape))))
                for layer in layers
            ]
        _check(layout, _folder_refusal(layout, model.folder) or layer_refusal(layout, model.module, planned))


def _check(layout: str, reason: str | None) -> None:
    if reason is not None:
        raise InputError(f"checkpoint: {layout}: {reason}; leave it out, or choose other weights for the layer")


def _folder_refusal(layout: str, source_folder: Path) -> str | None:
    if layout in checkpoints.METHODS and not (source_folder / "config.json").is_file():
        return "it is for Hugging Face models, and this one has no config.json"
    return None


def _refusal(layout: str, model: QuantizedModel, source_folder: Path) -> str | None:
    return _folder_refusal(layout, source_folder) or packed.refusal(layout, model.module)


def _write(layout: str, model: QuantizedModel, source_folder: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source_folder.iterdir()):
        if file.is_file() and file.name not in _REPLACED and file.suffix not in _REPLACED_SUFFIXES:
            shutil.copyfile(file, folder / file.name)
    packed.write(layout, model.module, source_folder, folder)

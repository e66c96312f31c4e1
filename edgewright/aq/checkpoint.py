"""The folder that weight quantization writes: the model in one layout or more, and what was measured."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgewright.aq.report import QuantizedModel, describe
from edgewright.errors import InputError
from edgewright.files import write_json
from edgewright.models import checkpoints, packed
from edgewright.models.checkpoints import native

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
        reason = _refusal(layout, model, source_folder)
        if reason is not None:
            raise InputError(f"checkpoint: {layout}: {reason}; leave it out, or choose other weights for the layer")
    reason = "asked for" if layouts else _refusal(checkpoints.DEFAULT, model, source_folder)
    primary = layouts[0] if layouts else checkpoints.DEFAULT if reason is None else checkpoints.NATIVE
    _write(primary, model, source_folder, folder)
    for layout in layouts[1:]:
        _write(layout, model, source_folder, folder / layout)
    report = describe(model)
    report["checkpoint"] = {"layout": primary, "reason": reason or "it holds every layer", "further": list(layouts[1:])}
    write_json(folder / _REPORT, report)


def _refusal(layout: str, model: QuantizedModel, source_folder: Path) -> str | None:
    is_hugging_face = (source_folder / "config.json").is_file()
    if layout in checkpoints.METHODS and not is_hugging_face:
        return "it is for Hugging Face models, and this one has no config.json"
    return packed.refusal(layout, model.module)


def _write(layout: str, model: QuantizedModel, source_folder: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source_folder.iterdir()):
        if file.is_file() and file.name not in _REPLACED and file.suffix not in _REPLACED_SUFFIXES:
            shutil.copyfile(file, folder / file.name)
    packed.write(layout, model.module, source_folder, folder)

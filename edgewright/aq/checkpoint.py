"""The folder that weight quantization writes: integers, scales, and what was measured."""

import shutil
from pathlib import Path

from edgewright.aq.report import QuantizedModel, describe
from edgewright.files import write_json
from edgewright.models import quantized, weights

_WEIGHTS = "model.safetensors"
_REPORT = "layers.json"
_REPLACED = {quantized.FILE, _REPORT, "model.safetensors.index.json"}
_REPLACED_SUFFIXES = {".safetensors", ".pt2"}


def save(model: QuantizedModel, source_folder: Path, folder: Path) -> None:
    """Write `model.safetensors`, `quantization.json` and `layers.json`, and copy what else the model folder holds.

    Args:
        model: the result of `quantize`.
        source_folder: the folder of the float model: model.json, configuration and tokenizer.
        folder: created if it does not exist. Tied tensors are stored once, under their first name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source_folder.iterdir()):
        if file.is_file() and file.name not in _REPLACED and file.suffix not in _REPLACED_SUFFIXES:
            shutil.copyfile(file, folder / file.name)
    weights.write(model.module.state_dict(), folder / _WEIGHTS, {"format": "pt"})
    quantized.write(model.formats, folder)
    write_json(folder / _REPORT, describe(model))

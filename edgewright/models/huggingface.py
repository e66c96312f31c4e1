"""Hugging Face folders and hub ids, through transformers."""

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MethodType
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import nn

from edgewright.config import ModelEntry
from edgewright.errors import InputError, first_line
from edgewright.models import checkpoints, conv1d, packed, weights
from edgewright.models.checkpoints import native
from edgewright.models.documents import read_object
from edgewright.models.empty import without_weights
from edgewright.models.spec import InputSpec

_KEPT = ("*.json", "*.txt", "*.model", "*.jinja")
_NOT_DONE = ("do_center_crop", "crop_pct", "do_pad", "do_flip_channel_order")
_BILINEAR = 2
_MALFORMED = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, ArithmeticError, re.error,
              SafetensorError)
_CLASSES = {
    "language-modeling": ("AutoModelForCausalLM", "input_ids"),
    "image-classification": ("AutoModelForImageClassification", "pixel_values"),
}


def fetch(source: str, folder: Path) -> None:
    """Copy the Hugging Face folder or hub snapshot `source` into `folder`.

    Raises:
        InputError: there is no such folder and the hub does not give it, or its files are not those of a model.
    """
    origin = Path(source)
    if not origin.is_dir():
        origin = _snapshot(source)
    if not (origin / "config.json").is_file():
        raise InputError(f"{source}: no config.json; give a Hugging Face folder or id")
    files = weights.files(origin)
    if not files:
        raise InputError(f"{source}: no safetensors weights; pickled weights are refused")
    checkpoints.settings(origin)
    for file in [*files, *(file for pattern in _KEPT for file in sorted(origin.glob(pattern)))]:
        if not file.is_file():
            raise InputError(f"{file}: no such weights file")
        shutil.copyfile(file, folder / file.name)


def _snapshot(source: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=[*_KEPT, "*.safetensors"]))
    except Exception as error:
        raise InputError(f"{source}: no such folder, and the Hugging Face hub did not give it"
                         f" (no network, or no such id): {first_line(error)}") from error


def load(folder: Path, task: str, dtype: Literal["float32", "stored"] = "float32") -> nn.Module:
    """The module of a Hugging Face folder; its forward takes one tensor and returns the logits.

    Weights are mapped into memory where the names in the file are those of the module. Layers with integer weights
    (quantization.json of aq, or a layout that `checkpoints` reads) keep them; Conv1D modules become Linear.

    Args:
        folder: config.json, and safetensors weights.
        task: `language-modeling` or `image-classification`.
        dtype: of the float weights: float32, or `stored`, as they are in the file.

    Raises:
        InputError: transformers cannot build it, or the weights do not fit.
    """
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if task not in _CLASSES:
        raise InputError(f"{folder}: a Hugging Face model for the task {task} is not supported; give a factory")
    class_name, argument = _CLASSES[task]
    factory = getattr(transformers, class_name)
    weights.files(folder)
    if "transformers_weights" in read_object(folder / "config.json"):
        raise InputError(f"{folder}: config.json: transformers_weights is not read; name the file model.safetensors")
    try:
        with without_weights():
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            module = factory.from_config(config, dtype=torch.float32, trust_remote_code=False)
        keep_dtype = dtype == "stored"
        if not _put_integers(module, folder) and not _put_floats(module, folder, keep_dtype):
            module, info = factory.from_pretrained(
                folder, dtype="auto" if keep_dtype else torch.float32, use_safetensors=True, local_files_only=True,
                output_loading_info=True, ignore_mismatched_sizes=True, trust_remote_code=False,
            )  # fmt: skip
            _check_complete(info, folder)
            conv1d.replace(module)
    except _MALFORMED as error:
        raise InputError(f"{folder}: transformers cannot load it: {first_line(error)}") from error
    module.eval().requires_grad_(False)
    _return_logits(module, argument)
    return module


def _put_integers(module: nn.Module, folder: Path) -> bool:
    """Whether the folder is a checkpoint with integer weights; they are in `module` then, what is float as float32."""
    settings, is_native = checkpoints.settings(folder), (folder / native.FILE).is_file()
    if settings is None and not is_native:
        return False
    transposed = conv1d.names(module)
    conv1d.replace(module)
    tensors = weights.read_folder(folder)
    if is_native:
        native.prepare(module, folder)
    elif settings is not None:
        floats = [f"{name}.weight" for name in transposed if f"{name}.weight_scale" not in tensors]
        tensors |= {key: tensors[key].mT.contiguous() for key in floats if key in tensors}
        packed.install(module, tensors, settings, str(folder))
    weights.fit(module, tensors, str(folder))
    return True


def _put_floats(module: nn.Module, folder: Path, keep_dtype: bool) -> bool:
    """Whether the tensors of the folder are those of `module`, name by name; they are in it then."""
    try:
        tensors = weights.read_folder(folder)
    except InputError:
        return False
    own = module.state_dict(keep_vars=True)
    is_tied_once = len({id(own[name]) for name in tensors if name in own}) == len(tensors)
    if not is_tied_once or weights.misfit(module, tensors) is not None:
        return False
    weights.assign(module, tensors, keep_dtype=keep_dtype)
    conv1d.replace(module)
    return True


def _check_complete(info: Mapping[str, Collection[Any]], folder: Path) -> None:
    # transformers fills up what does not fit with random numbers.
    for name, given, own in info["mismatched_keys"]:
        raise InputError(f"{folder}: does not fit the model: '{name}' has shape {list(given)}, the model's"
                         f" has {list(own)}")
    for key, fault in (("missing_keys", "is missing"), ("unexpected_keys", "is unknown")):
        names = sorted(info[key])
        if names:
            raise InputError(f"{folder}: does not fit the model: tensor '{names[0]}' {fault} ({len(names)} in all)")


def _return_logits(module: Any, argument: str) -> None:
    # An attribute of the instance, not a wrapping module: a wrapper would add its name to every scope.
    whole = module.forward

    def from_tokens(self: nn.Module, input_ids: torch.Tensor) -> Any:
        return whole(input_ids=input_ids, use_cache=False).logits

    def from_pixels(self: nn.Module, pixel_values: torch.Tensor) -> Any:
        return whole(pixel_values=pixel_values).logits

    module.forward = MethodType(from_tokens if argument == "input_ids" else from_pixels, module)


def inputs(folder: Path, entry: ModelEntry) -> tuple[InputSpec, ...]:
    """Input signature: token ids of `export.sequence`, or pixels of the configuration's image size."""
    config = read_object(folder / "config.json")
    if entry.task == "language-modeling":
        limit = config.get("max_position_embeddings")
        if limit is not None and entry.export.sequence > limit:
            raise InputError(f"{folder}: export.sequence {entry.export.sequence} exceeds the model's {limit} positions")
        return (InputSpec("input_ids", (entry.export.sequence,), "int64"),)
    size = config.get("image_size", 224)
    height, width = size if isinstance(size, list) else (size, size)
    return (InputSpec("pixel_values", (config.get("num_channels", 3), height, width), "float32"),)


def vocabulary(folder: Path) -> int | None:
    """Number of token ids, or None where the configuration has none."""
    value = read_object(folder / "config.json").get("vocab_size")
    return None if value is None else int(value)


def preprocess(folder: Path) -> dict[str, Any] | None:
    """Resize, scale, mean and std of the folder's preprocessor_config.json, or None without one.

    Raises:
        InputError: it does what `preprocess` of params.yaml cannot say.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return None
    raw = read_object(path)
    resizes = raw.get("do_resize", True)
    unknown = [key for key in _NOT_DONE if raw.get(key)]
    if resizes and raw.get("resample", _BILINEAR) != _BILINEAR:
        unknown.append(f"resample {raw['resample']}")
    if unknown:
        raise InputError(f"{path}: {', '.join(unknown)}: an image is only resized, bilinear, and normalized;"
                         " give preprocess in params.yaml")
    size = raw.get("size", {})
    height = size.get("height", size.get("shortest_edge")) if isinstance(size, dict) else size
    width = size.get("width", height) if isinstance(size, dict) else size
    scale = raw.get("rescale_factor", 1 / 255) if raw.get("do_rescale", True) else 1.0
    normalized = raw.get("do_normalize", True)
    return {
        "resize": [height, width] if resizes and height else None,
        "scale": scale,
        "mean": raw.get("image_mean", [0.0]) if normalized else [0.0],
        "std": raw.get("image_std", [1.0]) if normalized else [1.0],
    }

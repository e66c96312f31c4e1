"""Read weights without running code, and write them."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from edgewright.errors import InputError

Tensors = dict[str, torch.Tensor]


def read(path: Path) -> Tensors:
    """The tensors of a safetensors file, or of a PyTorch file that holds tensors only.

    Raises:
        InputError: the file is missing, corrupt, or a pickle that would run code.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a readable safetensors file: {error}") from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f"{path}: refused, because it is no plain file of tensors (it may hold code);"
                         " save the weights as safetensors") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise InputError(f"{path}: expected a state dict, a mapping of names to tensors")
    return cast(Tensors, tensors)


def write(tensors: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; of tied tensors only the first name is kept."""
    distinct: Tensors = {}
    seen: set[tuple[int, torch.Size, tuple[int, ...]]] = set()
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if key not in seen or tensor.numel() == 0:
            distinct[name] = tensor.contiguous()
        seen.add(key)
    save_file(distinct, path, metadata=metadata)


def fit(module: nn.Module, tensors: Tensors, where: str) -> None:
    """Load `tensors` into `module`, all of them and nothing missing but tied weights.

    Raises:
        InputError: naming the first tensor that is missing, unknown or of another shape, or not finite.
    """
    own = module.state_dict()
    unknown = sorted(tensors.keys() - own.keys())
    if unknown:
        raise InputError(f"{where}: does not fit the model: unknown tensor '{unknown[0]}' ({len(unknown)} in all)")
    present = {own[name].data_ptr() for name in tensors}
    missing = sorted(name for name in own.keys() - tensors.keys()
                     if own[name].data_ptr() not in present and own[name].numel())
    if missing:
        raise InputError(f"{where}: does not fit the model: tensor '{missing[0]}' is missing ({len(missing)} in all)")
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            raise InputError(f"{where}: does not fit the model: '{name}' has shape {list(value.shape)}, the model's"
                             f" has {list(own[name].shape)}")
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{where}: '{name}' holds NaN or infinite values")
    module.load_state_dict(tensors, strict=False)

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
from edgewright.models.documents import read_object

Tensors = dict[str, torch.Tensor]


def read(path: Path) -> Tensors:
    """The tensors of a safetensors file, or of a PyTorch file that holds tensors only.

    Those of a safetensors file are mapped into memory: a page is read when it is first used.

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


def files(folder: Path) -> list[Path]:
    """The safetensors files of a Hugging Face folder: `model.safetensors`, those of its index, or all there are.

    Raises:
        InputError: the index is malformed, or names anything but safetensors files of the folder itself.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        return [folder / name for name in _shards(index)]
    return sorted(folder.glob("*.safetensors"))


def _shards(index: Path) -> list[str]:
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise InputError(f"{index}: weight_map: expected the name of a file for each tensor")
    for name in sorted(set(shards.values())):
        # A path may lead out of the folder, and another suffix to a pickle.
        if not name.endswith(".safetensors") or set(name) & set("/\\\0"):
            raise InputError(f"{index}: weight_map: {name!r} is no safetensors file of the folder")
    return sorted(set(shards.values()))


def read_folder(folder: Path) -> Tensors:
    """The tensors of a Hugging Face folder, mapped into memory.

    Raises:
        InputError: there are none, a file is missing or corrupt, or two hold a tensor of the same name.
    """
    tensors: Tensors = {}
    for file in files(folder):
        shard = read(file)
        twice = sorted(tensors.keys() & shard.keys())
        if twice:
            raise InputError(f"{file}: tensor '{twice[0]}' is in another file of the folder too")
        tensors |= shard
    if not tensors:
        raise InputError(f"{folder}: no safetensors weights")
    return tensors


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether it holds neither NaN nor infinite values; without a copy of it."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    return bool(torch.isfinite(torch.stack(torch.aminmax(tensor))).all())


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


def fit(module: nn.Module, tensors: Tensors, where: str, *, keep_dtype: bool = False) -> None:
    """Put `tensors` into `module`, all of them and nothing missing but tied weights.

    They are taken over and not copied where their dtype fits; `tensors` is emptied on the way, so that of what
    must be converted no two copies stay.

    Args:
        module: its parameters may be on the meta device.
        tensors: by the names of the module's state.
        where: the file, for the message.
        keep_dtype: leave floating point tensors in the dtype that they have, else they get the module's.

    Raises:
        InputError: naming the first tensor that is missing, unknown, of another shape, not finite, or different
            from another that is the same parameter of the module.
    """
    reason = misfit(module, tensors)
    if reason is not None:
        raise InputError(f"{where}: does not fit the model: {reason}")
    for name, value in tensors.items():
        if not is_finite(value):
            raise InputError(f"{where}: '{name}' holds NaN or infinite values")
    assign(module, tensors, keep_dtype=keep_dtype)


def misfit(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The first tensor that is missing, unknown, of another shape or unlike one it is tied to, or None if all fit."""
    own = module.state_dict(keep_vars=True)
    unknown = sorted(tensors.keys() - own.keys())
    if unknown:
        return f"unknown tensor '{unknown[0]}' ({len(unknown)} in all)"
    present = {_identity(own[name]) for name in tensors}
    missing = sorted(name for name in own.keys() - tensors.keys()
                     if _identity(own[name]) not in present and own[name].numel())
    if missing:
        return f"tensor '{missing[0]}' is missing ({len(missing)} in all)"
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            return f"'{name}' has shape {list(value.shape)}, the model's has {list(own[name].shape)}"
    firsts: dict[tuple[str, int], str] = {}
    for name, value in tensors.items():
        first = firsts.setdefault(_identity(own[name]), name)
        if first != name and not torch.equal(tensors[first].to(value.dtype), value):
            return f"'{first}' and '{name}' are one parameter in the model and differ in the file"
    return None


def assign(module: nn.Module, tensors: Tensors, *, keep_dtype: bool = False) -> None:
    """Take over tensors that fit, in the dtype of the module's unless `keep_dtype`; `tensors` is emptied."""
    own = module.state_dict(keep_vars=True)
    holders: dict[tuple[str, int], list[str]] = {}
    for name, tensor in own.items():
        holders.setdefault(_identity(tensor), []).append(name)
    taken: set[int] = set()
    for names in holders.values():
        given = [tensors.pop(name) for name in names if name in tensors]
        if not given:
            continue
        first = own[names[0]]
        is_kept = keep_dtype and given[-1].is_floating_point()
        value = given[-1] if is_kept else given[-1].to(first.dtype)
        if value.data_ptr() in taken:
            value = value.clone()
        taken.add(value.data_ptr())
        is_parameter = isinstance(first, nn.Parameter)
        shared = nn.Parameter(value, requires_grad=first.requires_grad) if is_parameter and first.is_meta else value
        for name in names:
            if first.is_meta:
                parent, _, leaf = name.rpartition(".")
                setattr(module.get_submodule(parent), leaf, shared)
            else:
                own[name].data = value


def _identity(tensor: torch.Tensor) -> tuple[str, int]:
    is_stored = not tensor.is_meta and tensor.numel() > 0
    return ("stored", tensor.data_ptr()) if is_stored else ("object", id(tensor))

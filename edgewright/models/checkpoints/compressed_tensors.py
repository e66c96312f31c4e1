"""The layout of compressed-tensors (transformers, vLLM): `weight_packed`, `weight_scale`, `weight_zero_point`.

Format `pack-quantized`: integers from 0 to 2^bits - 1, packed along the inputs, zero points along the outputs; 3, 5, 6
and 7 bits lie across the borders of words, as compressed-tensors packs them from version 0.20 on (older versions
put 32 // bits of them in a word, which is read too). Format `mxfp4-pack-quantized`: E2M1 elements, two in a byte.
Of `int-quantized` (8 bits, one a byte) weights are read. Scales are written as float32, so that nothing is rounded.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgewright.models.checkpoints import _common, _e2m1, _packing
from edgewright.models.quantized import QuantizedModule
from edgewright.rounding import Grid, QuantizedWeight

MARK = "weight_scale"
SUFFIXES = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx", "weight")
_PACKED, _MXFP4, _INT = "pack-quantized", "mxfp4-pack-quantized", "int-quantized"
_WORD = 32


def refusal(module: QuantizedModule) -> str | None:
    """Linear layers of whole groups."""
    reason = _common.linear_refusal(module)
    if reason is None and module.format.permuted:
        reason = "its columns are permuted, which the layout does not know"
    return reason


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """The layers packed, the rest as it is."""
    found = _common.others(model)
    for name, module in _common.linears(model).items():
        weight, grid = module.quantized(), module.format.grid
        if grid.format == "mxfp4":
            found[f"{name}.weight_packed"] = _e2m1.pack(weight.integers)
            found[f"{name}.weight_scale"] = _e2m1.exponents(weight.scale)
            continue
        found[f"{name}.weight_packed"] = _packing.pack(_common.unsigned(weight.integers, grid.bits), grid.bits)
        found[f"{name}.weight_scale"] = weight.scale
        found[f"{name}.weight_shape"] = torch.tensor(module.format.shape)
        if not grid.symmetric:
            zeros = _common.unsigned(weight.zero_point.mT, grid.bits)
            found[f"{name}.weight_zero_point"] = _packing.pack(zeros, grid.bits).mT.contiguous()
    return found


def configuration(model: nn.Module) -> dict[str, Any]:
    """A group of layers for each form of weights; with one form alone, all Linear layers but those that stay float.

    transformers loads zero points, and MXFP4 into float32, only where it dequantizes at once, and it does so only
    where all layers have one form.

    Raises:
        ValueError: there are such layers, and others of another form.
    """
    forms: dict[Grid, list[str]] = {}
    for name, module in _common.linears(model).items():
        forms.setdefault(module.format.grid, []).append(name)
    special = [grid for grid in forms if not grid.symmetric or grid.format == "mxfp4"]
    if special and len(forms) > 1:
        kind = "zero points" if not special[0].symmetric else "the format mxfp4"
        raise ValueError(f"{forms[special[0]][0]}: it has {kind}, which transformers loads only where all layers have"
                         " the same bits, group, symmetry and format")
    groups = {
        f"group_{index}": {
            "targets": ["Linear"] if len(forms) == 1 else names, "weights": _arguments(grid),
            "input_activations": None, "output_activations": None, "format": _format(grid),
        }
        for index, (grid, names) in enumerate(forms.items())
    }  # fmt: skip
    settings = {
        "quant_method": "compressed-tensors", "format": _format(next(iter(forms))),
        "quantization_status": "compressed", "config_groups": groups, "ignore": _common.floats(model),
        "kv_cache_scheme": None, "global_compression_ratio": None,
    }  # fmt: skip
    return {**settings, "dequantize": True} if special else settings


def documents(model: nn.Module) -> Mapping[str, Any]:
    """Nothing beside config.json."""
    return {}


def check(settings: Mapping[str, Any]) -> None:
    """Weights in integers or MXFP4 are read, with float or dynamically quantized activations.

    Raises:
        ValueError: naming the key.
    """
    for key in ("kv_cache_scheme", "transform_config"):
        if settings.get(key):
            raise ValueError(f"{key} is not read; only weights are")
    for name, group in settings["config_groups"].items():
        where = f"config_groups.{name}"
        layout, weights = group.get("format") or settings.get("format"), group.get("weights")
        if layout not in (_PACKED, _MXFP4, _INT):
            raise ValueError(f"{where}: format '{layout}' is not read; {_PACKED}, {_MXFP4} and {_INT} are")
        strategy = weights and weights.get("strategy")
        if strategy not in ("group", "channel", "tensor"):
            raise ValueError(f"{where}: weights in the strategy '{strategy}' are not read; group, channel, tensor are")
        for key in ("input_activations", "output_activations"):
            if group.get(key) and not group[key].get("dynamic"):
                raise ValueError(f"{where}: static {key} are not read; gq chooses them")


def unpack(
    name: str, module: nn.Module, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> tuple[QuantizedWeight, Tensor | None]:
    """The integers of a layer, by the first group that names it."""
    group = _group(name, module, settings)
    arguments, layout = group["weights"], group.get("format") or settings.get("format")
    rows, columns = module.weight.shape
    bits, size = arguments["num_bits"], arguments.get("group_size")
    size = size if arguments["strategy"] == "group" else None
    scale = tensors["weight_scale"]
    if layout == _MXFP4:
        integers = _e2m1.unpack(tensors["weight_packed"])
        zeros = torch.zeros(scale.shape, dtype=torch.int8)
        grid = Grid(4, True, _WORD, "mxfp4")
        return QuantizedWeight(integers, _e2m1.scales(scale), zeros, grid), None
    scale = scale.reshape(-1, 1).expand(rows, -1) if size is None else scale
    zero_point = tensors.get("weight_zero_point")
    zeros = torch.zeros(scale.shape, dtype=torch.int8)
    if layout == _INT:
        integers = tensors["weight"]
        zeros = zeros if zero_point is None else zero_point.reshape(zeros.shape[0], -1).to(torch.int8)
    else:
        integers = _common.signed(_unpacked(tensors["weight_packed"], bits, columns), bits)
        if zero_point is not None and not arguments.get("symmetric", True):
            zeros = _common.signed(_unpacked(zero_point.mT.contiguous(), bits, rows), bits).mT
    if integers.shape != (rows, columns):
        raise ValueError(f"integers of shape {list(integers.shape)} for a weight of {[rows, columns]}")
    index = tensors.get("weight_g_idx")
    order = None if index is None or size is None else _common.permuted(index, size)
    if order is not None:
        integers = integers[:, order]
    return _common.assemble(integers, scale, zeros, bits, size), order


def _format(grid: Grid) -> str:
    return _MXFP4 if grid.format == "mxfp4" else _PACKED


def _arguments(grid: Grid) -> dict[str, Any]:
    if grid.format == "mxfp4":
        kind: dict[str, Any] = {"type": "float", "scale_dtype": "torch.uint8"}
    else:
        kind = {"type": "int"}
    strategy = "channel" if grid.group is None else "group"
    return {"num_bits": grid.bits, "symmetric": grid.symmetric, "strategy": strategy, "group_size": grid.group,
            "dynamic": False, **kind}


def _unpacked(words: Tensor, bits: int, count: int) -> Tensor:
    is_dense = words.shape[1] == -(-count * bits // _WORD)
    return (_packing.unpack if is_dense else _packing.unpack_whole)(words, bits, count)


def _group(name: str, module: nn.Module, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    for group in settings["config_groups"].values():
        if any(_names(target, name, module) for target in group["targets"]):
            return cast("Mapping[str, Any]", group)
    raise ValueError("no entry of config_groups names it")


def _names(target: str, name: str, module: nn.Module) -> bool:
    if target.startswith("re:"):
        return re.match(target.removeprefix("re:"), name) is not None
    return target == name or any(cls.__name__ == target for cls in type(module).__mro__)

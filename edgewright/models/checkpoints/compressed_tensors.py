"""The layout of compressed-tensors (transformers): `weight_packed`, `weight_scale`, `weight_zero_point`.

Format `pack-quantized`: integers from 0 to 2^bits - 1, packed along the inputs, zero points along the outputs; 3, 5, 6
and 7 bits lie across the borders of words, as compressed-tensors packs them from version 0.18 on (older versions
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
_NAN = 255
_REGEX = "re:"


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
    for name, group in _mapping(settings["config_groups"], "config_groups").items():
        where = f"config_groups.{name}"
        weights = _mapping(_mapping(group, where).get("weights") or {}, f"{where}.weights")
        layout = group.get("format") or settings.get("format")
        if layout not in (_PACKED, _MXFP4, _INT):
            raise ValueError(f"{where}: format '{layout}' is not read; {_PACKED}, {_MXFP4} and {_INT} are")
        strategy = weights.get("strategy")
        if strategy not in ("group", "channel", "tensor"):
            raise ValueError(f"{where}: weights in the strategy '{strategy}' are not read; group, channel, tensor are")
        if strategy == "tensor" and not weights.get("symmetric", True):
            raise ValueError(f"{where}: zero points in the strategy 'tensor' are not read; group and channel are")
        _check_numbers(weights, layout, where)
        for target in group["targets"]:
            if target.startswith(_REGEX):
                re.compile(target.removeprefix(_REGEX))
        for key in ("input_activations", "output_activations"):
            if group.get(key) and not group[key].get("dynamic"):
                raise ValueError(f"{where}: static {key} are not read; gq chooses them")


def _check_numbers(weights: Mapping[str, Any], layout: str, where: str) -> None:
    bits, size = weights.get("num_bits"), weights.get("group_size")
    wanted = (4,) if layout == _MXFP4 else range(2, 9)
    if type(bits) is not int or bits not in wanted:
        raise ValueError(f"{where}: num_bits: {bits!r} is not read; {wanted[0]} to {wanted[-1]} are")
    if layout == _MXFP4 and (weights["strategy"], size) != ("group", _WORD):
        raise ValueError(f"{where}: {_MXFP4} has groups of {_WORD}")
    if weights["strategy"] == "group" and (type(size) is not int or size < 1):
        raise ValueError(f"{where}: group_size: {size!r} is no number of columns")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected a mapping, got a {type(value).__name__}")
    return value


def unpack(
    name: str, module: nn.Module, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> tuple[QuantizedWeight, Tensor | None]:
    """The integers of a layer, by the group that names it best."""
    group = _group(name, module, settings)
    arguments, layout = group["weights"], group.get("format") or settings.get("format")
    rows, columns = module.weight.shape
    bits, size = arguments["num_bits"], arguments.get("group_size")
    size = size if arguments["strategy"] == "group" else None
    scale = tensors["weight_scale"]
    if layout == _MXFP4:
        return _mxfp4(tensors, rows, columns), None
    scale = scale.reshape(-1, 1).expand(rows, -1) if size is None else scale
    zero_point = tensors.get("weight_zero_point")
    zeros = torch.zeros(scale.shape, dtype=torch.int8)
    if layout == _INT:
        _common.require(tensors, torch.int8, "weight")
        integers = tensors["weight"]
        zeros = zeros if zero_point is None else zero_point.reshape(zeros.shape[0], -1).to(torch.int8)
    else:
        _common.require(tensors, torch.int32, "weight_packed", "weight_zero_point")
        integers = _common.signed(_unpacked(tensors["weight_packed"], bits, columns), bits)
        if zero_point is not None and not arguments.get("symmetric", True):
            zeros = _common.signed(_unpacked(zero_point.mT.contiguous(), bits, rows), bits).mT
    if integers.shape != (rows, columns):
        raise ValueError(f"integers of shape {list(integers.shape)} for a weight of {[rows, columns]}")
    index = tensors.get("weight_g_idx")
    order = None if index is None or size is None else _common.permuted(index, columns, size)
    if order is not None:
        integers = integers[:, order]
    return _common.assemble(integers, scale, zeros, bits, size), order


def _mxfp4(tensors: Mapping[str, Tensor], rows: int, columns: int) -> QuantizedWeight:
    _common.require(tensors, torch.uint8, "weight_packed", "weight_scale")
    packed, scale = tensors["weight_packed"], tensors["weight_scale"]
    if columns % _WORD or packed.shape != (rows, columns // 2) or scale.shape != (rows, columns // _WORD):
        raise ValueError(f"weight_packed of shape {list(packed.shape)} and weight_scale of {list(scale.shape)}"
                         f" for a weight of {[rows, columns]}")
    if bool((scale == _NAN).any()):
        raise ValueError("weight_scale holds NaN")
    zeros = torch.zeros(scale.shape, dtype=torch.int8)
    return QuantizedWeight(_e2m1.unpack(packed), _e2m1.scales(scale), zeros, Grid(4, True, _WORD, "mxfp4"))


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
    width, dense, whole = words.shape[1], -(-count * bits // _WORD), -(-count // (_WORD // bits))
    if width not in (dense, whole):
        raise ValueError(f"{count} integers of {bits} bits in {width} words, which need {dense} or {whole}")
    return (_packing.unpack if width == dense else _packing.unpack_whole)(words, bits, count)


def _group(name: str, module: nn.Module, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The group whose target is the name of the layer, else matches it, else is its class.

    Of several targets of a kind it is the first in the alphabet, and of the same in two groups the last, as
    compressed-tensors has it.
    """
    groups = {target: group for group in settings["config_groups"].values() for target in group["targets"]}
    named = [target for target in groups if _names(target, name, module)]
    if not named:
        raise ValueError("no entry of config_groups names it")
    best = min(named, key=lambda target: (target != name, not target.startswith(_REGEX), target))
    return cast("Mapping[str, Any]", groups[best])


def _names(target: str, name: str, module: nn.Module) -> bool:
    if target.startswith(_REGEX):
        return re.match(target.removeprefix(_REGEX), name) is not None
    return target == name or any(cls.__name__ == target for cls in type(module).__mro__)

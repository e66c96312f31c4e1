"""The layout of GPTQ checkpoints (AutoGPTQ, GPTQModel): `qweight`, `qzeros`, `scales`, `g_idx`.

Integers from 0 to 2^bits - 1 are packed along the inputs, zero points along the outputs. Version 1 (`gptq`) stores
zero points less 1, which for a zero point of 0 borrows from its neighbour in the word; where there is one,
version 2 (`gptq_v2`) is written, which stores them as they are. Both are read.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgewright.models.checkpoints import _common, _packing
from edgewright.models.quantized import QuantizedLinear, QuantizedModule
from edgewright.rounding import QuantizedWeight

MARK = "qweight"
SUFFIXES = ("qweight", "qzeros", "scales", "g_idx")
_BITS = (2, 3, 4, 8)
_WORD = 32
_PACK_DTYPES = (None, "int32", "torch.int32")


def refusal(module: QuantizedModule) -> str | None:
    """Linear layers of 2, 3, 4 or 8 bits whose rows and columns fill whole words."""
    reason = _common.linear_refusal(module)
    if reason is not None:
        return reason
    grid = module.format.grid
    if grid.format != "int":
        return f"its weights are {grid.format}, and the layout has integers"
    if grid.bits not in _BITS:
        return f"its integers have {grid.bits} bits, and the layout has 2, 3, 4 and 8"
    for size in module.format.shape:
        if size * grid.bits % _WORD:
            return f"its weight of shape {list(module.format.shape)} does not fill whole 32-bit words"
    return None


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """The layers packed, the rest as it is."""
    found = _common.others(model)
    shift = 0 if _is_version_2(model) else 1
    for name, module in _common.linears(model).items():
        weight, bits = module.quantized(), module.format.grid.bits
        index = torch.arange(module.in_features) // weight.grid.width(module.in_features)
        integers = weight.integers
        if module.format.permuted:
            back = torch.argsort(module.weight_order)
            index, integers = index[back], integers[:, back]
        zeros = _common.unsigned(weight.zero_point.mT, bits) - shift
        found |= {
            f"{name}.qweight": _packing.pack(_common.unsigned(integers, bits), bits).mT.contiguous(),
            f"{name}.qzeros": _packing.pack(zeros, bits),
            f"{name}.scales": weight.scale.mT.contiguous(),
            f"{name}.g_idx": index.to(torch.int32),
        }
    return found


def configuration(model: nn.Module) -> dict[str, Any]:
    """One width and group for all; layers that differ, or are float, under `dynamic`."""
    layers = _common.linears(model)
    forms = {name: _form(module) for name, module in layers.items()}
    base = next(iter(forms.values()))
    dynamic = {f"+:^{re.escape(name)}$": form for name, form in forms.items() if form != base}
    dynamic |= {f"-:^{re.escape(name)}$": {} for name in _common.floats(model) if name != "lm_head"}
    return {
        "quant_method": "gptq", "checkpoint_format": "gptq_v2" if _is_version_2(model) else "gptq", **base,
        "desc_act": any(module.format.permuted for module in layers.values()), "true_sequential": True,
        "lm_head": "lm_head" in layers, "pack_dtype": "int32", "dynamic": dynamic,
    }  # fmt: skip


def documents(model: nn.Module) -> Mapping[str, Any]:
    """quantize_config.json, which older readers look for."""
    return {"quantize_config.json": configuration(model)}


def check(settings: Mapping[str, Any]) -> None:
    """Versions 1 and 2, in 32-bit words, are read.

    Raises:
        ValueError: another format, other words, or other bits.
    """
    version = _version(settings)
    if version not in ("gptq", "gptq_v2"):
        raise ValueError(f"checkpoint_format '{version}' is not read; gptq and gptq_v2 are")
    if settings.get("pack_dtype") not in _PACK_DTYPES:
        raise ValueError(f"pack_dtype: {settings['pack_dtype']} is not read; int32 is")
    if settings.get("bits") not in _BITS:
        raise ValueError(f"bits: {settings.get('bits')} is not read; 2, 3, 4 and 8 are")


def unpack(
    name: str, module: nn.Module, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> tuple[QuantizedWeight, Tensor | None]:
    """The integers of a layer; its bits and group follow from the shapes."""
    rows, columns = module.weight.shape
    _common.require(tensors, torch.int32, "qweight", "qzeros")
    bits = tensors["qweight"].shape[0] * _WORD // columns
    if bits not in _BITS or tensors["qweight"].shape != (-(-columns * bits // _WORD), rows):
        raise ValueError(f"qweight of shape {list(tensors['qweight'].shape)} for a weight of {[rows, columns]}")
    groups, index = tensors["scales"].shape[0], tensors.get("g_idx")
    group = _common.even_group(columns, groups) if index is None else _largest_group(index, groups)
    integers = _common.signed(_packing.unpack(tensors["qweight"].mT.contiguous(), bits, columns), bits)
    zeros = _common.signed(_zeros(tensors["qzeros"], bits, rows, _version(settings)), bits)
    order = None if index is None else _common.permuted(index, columns, group or columns)
    if order is not None:
        integers = integers[:, order]
    return _common.assemble(integers, tensors["scales"].mT, zeros.mT, bits, group), order


def _form(module: QuantizedLinear) -> dict[str, Any]:
    grid = module.format.grid
    return {"bits": grid.bits, "group_size": grid.group or -1, "sym": grid.symmetric}


def _is_version_2(model: nn.Module) -> bool:
    return any(
        bool((module.weight_zero_point == -(1 << (module.format.grid.bits - 1))).any())
        for module in _common.linears(model).values()
    )


def _zeros(words: Tensor, bits: int, count: int, version: str) -> Tensor:
    """Zero points int32 [groups, count] from 0 to 2^bits - 1."""
    if version == "gptq_v2":
        return _packing.unpack(words, bits, count)
    if _WORD % bits:
        return (_packing.unpack(words, bits, count) + 1) & ((1 << bits) - 1)
    # Added to the whole word, because writers subtract from the whole word: the borrow is undone.
    ones = sum(1 << offset for offset in range(0, _WORD, bits))
    return _packing.unpack((words.to(torch.int64) + ones).to(torch.int32), bits, count)


def _largest_group(index: Tensor, groups: int) -> int | None:
    """Columns of the group that has most, None where there is one group."""
    if not bool(((index >= 0) & (index < groups)).all()):
        raise ValueError(f"g_idx names other groups than the {groups} of the scales")
    return int(torch.bincount(index.to(torch.int64)).max()) if groups > 1 else None


def _version(settings: Mapping[str, Any]) -> str:
    return str(settings.get("checkpoint_format", settings.get("format", "gptq")))

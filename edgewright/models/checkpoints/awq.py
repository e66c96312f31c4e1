"""The layout of AWQ checkpoints, version `gemm` (AutoAWQ): `qweight`, `qzeros`, `scales` of 4-bit integers.

Integers and zero points from 0 to 15 are packed along the outputs, eight in a word, in the order 0 2 4 6 1 3 5 7.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgewright.models.checkpoints import _common, _packing
from edgewright.models.quantized import QuantizedModule
from edgewright.rounding import QuantizedWeight

MARK = "qweight"
SUFFIXES = ("qweight", "qzeros", "scales")
_BITS, _IN_WORD = 4, 8
_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def refusal(module: QuantizedModule) -> str | None:
    """Linear layers of 4 bits whose outputs fill whole words."""
    reason = _common.linear_refusal(module)
    if reason is not None:
        return reason
    grid, rows = module.format.grid, module.format.shape[0]
    if module.format.permuted:
        return "its columns are permuted, which the layout does not know"
    if grid.format != "int" or grid.bits != _BITS:
        kind = grid.format if grid.format != "int" else f"of {grid.bits} bits"
        return f"its weights are {kind}, and the layout has integers of 4 bits"
    return f"its {rows} outputs do not fill whole 32-bit words" if rows % _IN_WORD else None


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """The layers packed, the rest as it is."""
    found = _common.others(model)
    for name, module in _common.linears(model).items():
        weight = module.quantized()
        found |= {
            f"{name}.qweight": _interleaved(_common.unsigned(weight.integers.mT, _BITS)),
            f"{name}.qzeros": _interleaved(_common.unsigned(weight.zero_point.mT, _BITS)),
            f"{name}.scales": weight.scale.mT.contiguous(),
        }
    return found


def configuration(model: nn.Module) -> dict[str, Any]:
    """One group for all layers.

    Raises:
        ValueError: two layers differ in their group.
    """
    layers = _common.linears(model)
    groups = {module.format.grid.group: name for name, module in layers.items()}
    if len(groups) > 1:
        first, second = list(groups.items())[:2]
        raise ValueError(f"{second[1]}: its group is {second[0]}, that of {first[1]} {first[0]}, and the layout has one"
                         " for all")
    return {
        "quant_method": "awq", "version": "gemm", "bits": _BITS, "group_size": next(iter(groups)) or -1,
        "zero_point": any(not module.format.grid.symmetric for module in layers.values()),
        "modules_to_not_convert": _common.floats(model),
    }  # fmt: skip


def documents(model: nn.Module) -> Mapping[str, Any]:
    """Nothing beside config.json."""
    return {}


def check(settings: Mapping[str, Any]) -> None:
    """Version `gemm` of 4 bits is read.

    Raises:
        ValueError: another version, or other bits.
    """
    version = str(settings.get("version", settings.get("format", "gemm"))).lower()
    if version != "gemm":
        raise ValueError(f"version '{version}' is not read; gemm is")
    if settings.get("bits") != _BITS:
        raise ValueError(f"bits: {settings.get('bits')} is not read; 4 is")


def unpack(
    name: str, module: nn.Module, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> tuple[QuantizedWeight, None]:
    """The integers of a layer; its group follows from the shapes."""
    rows, columns = module.weight.shape
    _common.require(tensors, torch.int32, "qweight", "qzeros")
    groups = tensors["scales"].shape[0]
    integers = _common.signed(_separated(tensors["qweight"], rows), _BITS)
    zeros = torch.zeros(groups, rows, dtype=torch.int8)
    if "qzeros" in tensors:
        zeros = _common.signed(_separated(tensors["qzeros"], rows), _BITS)
    if integers.shape != (columns, rows):
        raise ValueError(f"qweight of shape {list(tensors['qweight'].shape)} for a weight of {[rows, columns]}")
    group = _common.even_group(columns, groups)
    return _common.assemble(integers.mT, tensors["scales"].mT, zeros.mT, _BITS, group), None


def _interleaved(values: Tensor) -> Tensor:
    words = values.reshape(values.shape[0], -1, _IN_WORD)[..., list(_ORDER)]
    return _packing.pack(words.flatten(1), _BITS)


def _separated(words: Tensor, count: int) -> Tensor:
    values = _packing.unpack(words, _BITS, count).reshape(words.shape[0], -1, _IN_WORD)
    return values[..., torch.argsort(torch.tensor(_ORDER))].flatten(1)

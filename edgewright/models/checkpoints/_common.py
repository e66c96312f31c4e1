"""What the layouts share."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edgewright.models.quantized import QuantizedConv2d, QuantizedLinear, QuantizedModule, quantized_modules
from edgewright.rounding import Grid, QuantizedWeight

BUFFERS = ("weight", "weight_scale", "weight_zero_point", "weight_order")
_BYTE = 8


def linear_refusal(module: QuantizedModule) -> str | None:
    """Why a layout of Linear layers with whole groups and integer zero points cannot hold the layer."""
    if not isinstance(module, QuantizedLinear):
        kind = "convolution" if isinstance(module, QuantizedConv2d) else "embedding"
        return f"it is an integer {kind}, and the layout has Linear layers only"
    if module.format.float_zero_point:
        return "its zero points are floats, and the layout has integers"
    if module.format.rotation is not None:
        return "its input is rotated at run time, and the layout has no such operator"
    columns, group = module.format.columns, module.format.grid.group
    if group is not None and columns % group:
        return f"its {columns} columns are no multiple of the group of {group}"
    return None


def linears(model: nn.Module) -> dict[str, QuantizedLinear]:
    """The Linear layers with integer weights, by name."""
    return {name: module for name, module in quantized_modules(model).items() if isinstance(module, QuantizedLinear)}


def floats(model: nn.Module) -> list[str]:
    """Paths of the Linear layers that are float."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def others(model: nn.Module) -> dict[str, Tensor]:
    """The state of the model without the integer weights."""
    packed = {f"{name}.{item}" for name in quantized_modules(model) for item in BUFFERS}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in packed}


def unsigned(integers: Tensor, bits: int) -> Tensor:
    """Signed integers of `bits` bits, counted from the smallest: int32."""
    return integers.to(torch.int32) + (1 << (bits - 1))


def signed(values: Tensor, bits: int) -> Tensor:
    """The inverse of `unsigned`: int8."""
    return (values - (1 << (bits - 1))).to(torch.int8)


def assemble(integers: Tensor, scale: Tensor, zero_point: Tensor, bits: int, group: int | None) -> QuantizedWeight:
    """Integers that were read on their grid.

    Symmetric where all zero points are 0, unless -128 is among the integers, which a symmetric 8-bit grid leaves out.

    Args:
        integers: int8 [out, in].
        scale: of any float dtype, [out, groups].
        zero_point: int8 [out, groups].
        bits: of the integers.
        group: columns that share a scale, None for the whole row.

    Raises:
        ValueError: the scales are not those of the groups.
    """
    symmetric = not bool(zero_point.any()) and not (bits == _BYTE and bool((integers == -(1 << (bits - 1))).any()))
    rows, columns = integers.shape
    grid = Grid(bits, symmetric, None if group is None or group >= columns else group)
    wanted = (rows, grid.groups(columns))
    if scale.shape != wanted or zero_point.shape != wanted:
        raise ValueError(f"scales of shape {list(scale.shape)} and zero points of {list(zero_point.shape)},"
                         f" its integers need {list(wanted)}")
    return QuantizedWeight(
        integers.contiguous(), scale.to(torch.float32).contiguous(), zero_point.contiguous(), grid
    )


def even_group(columns: int, groups: int) -> int | None:
    """Columns in each of `groups` that a file does not describe further, None for one group.

    Raises:
        ValueError: they are not all alike.
    """
    if groups < 1 or columns % groups:
        raise ValueError(f"its {columns} columns cannot be {groups} groups of one size")
    return columns // groups if groups > 1 else None


def require(tensors: Mapping[str, Tensor], dtype: torch.dtype, *names: str) -> None:
    """Refuse tensors of another dtype.

    Raises:
        ValueError: naming the first of them.
    """
    for name in names:
        if name in tensors and tensors[name].dtype != dtype:
            raise ValueError(f"{name} is {tensors[name].dtype}, the layout has {dtype}")


def permuted(index: Tensor, columns: int, group: int) -> Tensor | None:
    """The order that puts the columns of a group together, or None where they are.

    Args:
        index: int [in], the group of each column.
        columns: inputs of the layer.
        group: columns in a group; only the last group may have fewer.

    Raises:
        ValueError: it has another length, or the groups have other sizes.
    """
    if index.shape != (columns,):
        raise ValueError(f"g_idx of shape {list(index.shape)} for {columns} columns")
    wanted = torch.arange(index.numel()) // group
    index = index.to(torch.int64)
    if torch.equal(index, wanted):
        return None
    order = torch.argsort(index, stable=True)
    if not torch.equal(index[order], wanted):
        raise ValueError(f"g_idx does not name groups of {group} columns")
    return order

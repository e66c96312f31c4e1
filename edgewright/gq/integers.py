"""Integer weights that a program already carries: constant -> dequantize -> operator, as aq leaves them."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config.schemes import WeightScheme
from edgewright.errors import ConfigError
from edgewright.gq.operators import channel_axis, weight_of

_VIEWS = ("view", "reshape", "slice")
_DEQUANTIZE = ("dequantize_affine", "dequantize_per_channel", "dequantize_per_tensor")


@dataclass(frozen=True, slots=True)
class Integers:
    """Weights on a grid, as a node of the program dequantizes them.

    Attributes:
        values: int8, shape as stored.
        scale: float32; [out] or [out, groups].
        zero_point: integers (or float32) of the shape of `scale`.
        qmin, qmax: ends of the grid.
        group: columns that share a scale; None where a row does.
    """

    values: torch.Tensor
    scale: torch.Tensor
    zero_point: torch.Tensor
    qmin: int
    qmax: int
    group: int | None

    @property
    def bits(self) -> int:
        """Width of the grid."""
        return (self.qmax - self.qmin).bit_length()

    @property
    def is_symmetric(self) -> bool:
        """Whether all zero points are 0."""
        return not bool(self.zero_point.any())


def origin(weight: Node) -> Node | None:
    """The dequantize node that a weight comes from, views between them passed over; None for a float weight."""
    while weight.op == "call_function" and ir.operator_name(weight.target) in _VIEWS:
        weight = weight.all_input_nodes[0]
    is_integer = weight.op == "call_function" and ir.operator_name(weight.target) in _DEQUANTIZE
    return weight if is_integer and weight.all_input_nodes[0].op == "get_attr" else None


def owner_of(node: Node) -> str | None:
    """Path of the module that the weight of an operator is stored in, or None where it is no constant."""
    weight = weight_of(node)
    source = None if weight is None else origin(weight) or weight
    if source is not None and source.op == "call_function":
        source = source.all_input_nodes[0]
    if source is None or source.op != "get_attr":
        return None
    return str(source.target).rpartition(".")[0]


def read(module: GraphModule, dequantize: Node) -> Integers:
    """The integer weights behind a dequantize node."""
    op = ir.operator_name(dequantize.target)
    arguments = cast(tuple[Any, ...], dequantize.args)
    values = ir.tensor_of(module, arguments[0])
    if op == "dequantize_affine":
        block, scale, zero_point = arguments[1], arguments[2], arguments[3]
        zeros = ir.tensor_of(module, zero_point) if isinstance(zero_point, Node) else None
        scales = ir.tensor_of(module, scale)
        qmin, qmax = int(arguments[5]), int(arguments[6])
        whole_row = list(block[1:]) == list(values.shape[1:])
        return Integers(
            values, scales, torch.zeros_like(scales) if zeros is None else zeros, qmin, qmax,
            None if whole_row else int(block[-1]),
        )  # fmt: skip
    if op == "dequantize_per_channel":
        scales, zeros = ir.tensor_of(module, arguments[1]), ir.tensor_of(module, arguments[2])
        return Integers(values, scales, zeros, int(arguments[4]), int(arguments[5]), None)
    scales, zeros = torch.tensor([float(arguments[1])]), torch.tensor([int(arguments[2])])
    return Integers(values, scales, zeros, int(arguments[3]), int(arguments[4]), None)


def check(module: GraphModule, node: Node, scheme: WeightScheme) -> None:
    """Refuse integer weights that are not what the scheme asks for: they are carried, never rounded again.

    Raises:
        ConfigError: naming the module, what it brings and what the scheme wants, or that its zero points are floats.
    """
    weight = weight_of(node)
    dequantize = None if weight is None else origin(weight)
    if dequantize is None:
        return
    found = read(module, dequantize)
    if found.zero_point.is_floating_point() and not found.is_symmetric:
        raise ConfigError(f"module '{owner_of(node)}' brings float zero points from aq, which gq does not carry; "
                          "give options: {hqq: {zero_point: integer}}, or say float for it under layers")
    granularity = "tensor" if found.scale.numel() == 1 and scheme.granularity == "tensor" else "channel"
    brought = WeightScheme(
        bits=4 if found.bits <= 4 else 8,
        granularity="group" if found.group else granularity,
        group=found.group,
        symmetric=found.is_symmetric,
    )
    fits = (
        found.bits <= scheme.bits
        and brought.granularity == scheme.granularity
        and brought.group == scheme.group
        and (brought.symmetric or not scheme.symmetric)
        and (found.group is not None or channel_axis(node) == 0)
    )
    if not fits:
        shown = str(brought).replace(f"{brought.bits}-bit", f"{found.bits}-bit")
        raise ConfigError(
            f"module '{owner_of(node)}' brings {shown} from aq, the gq scheme asks for {scheme}; "
            "make them equal, or say float for it under layers"
        )

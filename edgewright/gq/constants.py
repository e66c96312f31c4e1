"""The constants of a quantized operator that rounding and corrections write into."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.annotate import Quantized
from edgewright.gq.operators import bias_of, weight_of
from edgewright.gq.weights import IntegerWeight
from edgewright.rounding import Grid, QuantizedWeight, dequantize


@dataclass(frozen=True, slots=True)
class Constants:
    """An operator with a weight; the tensors are those of the program, and are written in place.

    Attributes:
        node: the operator in the quantized program.
        exact: its float weight; None where aq rounded it, which leaves integers and scales as they are.
        exact_bias: its bias in the float program, [out]; None where it has none.
        weight: the integers as they were inserted.
        values, zero_point: as in `weight`.
        scale: as in `weight`; None where it is an argument of the operator (one for the tensor), and stays.
        bias: float32 [out]; None where there is none, or none that is constant.
        keeps_scale: the scale is given from outside.
        kernel: shape of the weight as the operator reads it.
    """

    node: Node
    exact: Tensor | None
    exact_bias: Tensor | None
    weight: IntegerWeight
    values: Tensor
    zero_point: Tensor | None
    scale: Tensor | None
    bias: Tensor | None
    keeps_scale: bool
    kernel: tuple[int, ...]

    @property
    def grid(self) -> Grid:
        """The grid of the integers."""
        scheme = self.weight.scheme
        return Grid(scheme.bits, scheme.symmetric, scheme.group, power_of_two=scheme.power_of_two)

    def matrix(self) -> QuantizedWeight:
        """The integers as a matrix [out, columns], scale (float64) and zero point [out, groups]."""
        integers = self.values.movedim(self.weight.axis, 0).flatten(1)
        scale = self.weight.scale if self.scale is None else self.scale
        zero_point = self.weight.zero_point if self.zero_point is None else self.zero_point
        parameters = [item.reshape(-1, 1) if item.ndim == 1 else item for item in (scale.double(), zero_point)]
        rows = [item.expand(len(integers), -1) for item in parameters]
        return QuantizedWeight(integers, rows[0], rows[1].to(self.values.dtype), self.grid)

    def dequantized(self) -> Tensor:
        """What the integers stand for, float64 of shape `kernel`."""
        found, shape = self.matrix(), self.values.movedim(self.weight.axis, 0).shape
        value = dequantize(found.integers, found.scale, found.zero_point, found.grid)
        return value.reshape(shape).movedim(0, self.weight.axis).reshape(self.kernel)

    def write(self, weight: QuantizedWeight) -> None:
        """Put a matrix in; rows whose scale is smaller than integer arithmetic allows stay as they are."""
        before = self.matrix()
        scale = weight.scale.to(torch.float32)
        floor = self.weight.floor
        fits = torch.ones(len(scale), 1, dtype=torch.bool) if floor is None else (scale >= floor).all(1, keepdim=True)
        moved = self.values.movedim(self.weight.axis, 0)
        moved.copy_(torch.where(fits, weight.integers, before.integers).reshape(moved.shape))
        if self.scale is not None and self.zero_point is not None:
            self.scale.copy_(torch.where(fits, scale, before.scale.float()).reshape(self.scale.shape))
            self.zero_point.copy_(torch.where(fits, weight.zero_point, before.zero_point).reshape(self.scale.shape))

    def written(self) -> list[Tensor]:
        """All tensors that may be written."""
        return [item for item in (self.values, self.zero_point, self.scale, self.bias) if item is not None]


def constants_of(
    module: GraphModule, plan: Quantized, weight: IntegerWeight, exact: Tensor | None, keeps_scale: bool
) -> Constants:
    """The constants of an operator whose weight was inserted; it gets a bias of its own where activations are static.

    Args:
        module: an unlifted Program with its quantize-dequantize pairs.
        plan: the operator.
        weight: its integers.
        exact: its float weight; None where aq rounded it.
        keeps_scale: whether the scale is given from outside.
    """
    node = plan.node
    source, bias = weight_of(node), bias_of(node)
    assert source is not None
    own = [] if exact is None else [ir.tensor_of(module, item) for item in source.all_input_nodes]
    before = None if bias is None or bias.op != "get_attr" else ir.tensor_of(module, bias)
    copy = None
    if before is not None and bias is not None and plan.is_static:
        # A copy, because another operator may read the same.
        copy = before.clone()
        node.replace_input_with(bias, ir.constant(module, copy, str(bias.target), node))
    is_own = len(own) > 1
    shape = source.meta["val"].shape if exact is None else exact.shape
    return Constants(
        node, exact, before, weight, own[0] if own else weight.values, own[2] if is_own else None,
        own[1] if is_own else None, copy, keeps_scale, tuple(int(size) for size in shape),
    )  # fmt: skip

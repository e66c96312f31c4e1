"""First and second moments of what the weight of an operator multiplies, and of what that should give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import Node
from torch.nn import functional

from edgewright import ir
from edgewright.gq.operators import is_linear
from edgewright.parallel import ordered_map

VECTORS = 1 << 16
"""Input vectors that the second moments of one operator are taken over, evenly spaced; positions of an image count."""

_BIAS = 2
_PLANES = {"conv1d": 1, "conv2d": 2}
_DEFAULTS = (1, 0, 1, 1)


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of an operator's input vectors x (a patch of an image, a token) and of its wanted outputs y, float64.

    Attributes:
        inputs: E[x], [groups, columns].
        outputs: E[y], [groups, rows].
        square: E[x x^T], [groups, columns, columns].
        cross: E[y x^T], [groups, rows, columns].
    """

    inputs: Tensor
    outputs: Tensor
    square: Tensor
    cross: Tensor

    def centered(self) -> "Moments":
        """The same about the means: what is left of an error when a bias takes its mean."""
        return Moments(
            torch.zeros_like(self.inputs),
            torch.zeros_like(self.outputs),
            self.square - self.inputs.unsqueeze(2) * self.inputs.unsqueeze(1),
            self.cross - self.outputs.unsqueeze(2) * self.inputs.unsqueeze(1),
        )


def has_vectors(node: Node) -> bool:
    """Whether an operator is a matrix times vectors that can be listed: linear, conv1d and conv2d, grouped or not."""
    op = ir.operator_name(node.target)
    return is_linear(op) or (op in _PLANES and not isinstance(_geometry(node)[1], str))


def moments(node: Node, kernel: Sequence[int], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Moments:
    """The moments over all batches; sums run in their order.

    Args:
        node: an operator that `has_vectors`.
        kernel: shape of its weight.
        inputs, outputs: of the operator, by batch, float32. The bias is part of the outputs.
    """
    total = sum(output.numel() // int(kernel[0]) for output in outputs)
    step = max(1, -(-total // VECTORS))

    def sums(batch: int) -> tuple[Tensor, Tensor, int]:
        vectors, wanted = _vectors(node, kernel, inputs[batch], outputs[batch])
        vectors, wanted = vectors[:, :, ::step], wanted[:, :, ::step]
        ones = vectors.new_ones(len(vectors), 1, vectors.shape[2])
        extended = torch.cat([vectors, ones], 1)
        turned = extended.transpose(1, 2)
        return (extended @ turned).double(), (wanted @ turned).double(), vectors.shape[2]

    square, cross, count = torch.zeros(()), torch.zeros(()), 0
    for more_square, more_cross, more in ordered_map(sums, range(len(inputs))):
        square, cross, count = square + more_square, cross + more_cross, count + more
    square, cross = square / count, cross / count
    return Moments(square[:, :-1, -1], cross[:, :, -1], square[:, :-1, :-1], cross[:, :, :-1])


def apply(node: Node, value: Tensor, weight: Tensor) -> Tensor:
    """What the operator gives for an input and a weight of any float type, without a bias."""
    target = cast(Callable[..., Tensor], node.target)
    rest = {key: item for key, item in node.kwargs.items() if key not in ("input", "weight", "bias")}
    return target(value, weight, None, *node.args[_BIAS + 1 :], **rest)


def by_channel(node: Node, output: Tensor) -> Tensor:
    """An output of the operator as [channels, positions]."""
    return output.movedim(-1 if is_linear(ir.operator_name(node.target)) else 1, 0).flatten(1)


def _vectors(node: Node, kernel: Sequence[int], value: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
    """Input vectors [groups, columns, n] and outputs [groups, rows, n] of a batch."""
    op = ir.operator_name(node.target)
    if is_linear(op):
        return value.reshape(-1, value.shape[-1]).T.unsqueeze(0), by_channel(node, output).unsqueeze(0)
    stride, padding, dilation, groups = _geometry(node)
    flat = _PLANES[op] == 1
    pairs = [_plane(item, flat, neutral) for item, neutral in ((stride, 1), (padding, 0), (dilation, 1))]
    size = (1, int(kernel[2])) if flat else (int(kernel[2]), int(kernel[3]))
    columns = functional.unfold(
        value.unsqueeze(2) if flat else value, size, dilation=pairs[2], padding=pairs[1], stride=pairs[0]
    )
    split = columns.unflatten(1, (groups, -1)).permute(1, 2, 0, 3).flatten(2)
    return split, by_channel(node, output).unflatten(0, (groups, -1))


def _geometry(node: Node) -> tuple[Any, Any, Any, int]:
    """Stride, padding, dilation and groups of a convolution."""
    names = ("stride", "padding", "dilation", "groups")
    given = (*node.args[_BIAS + 1 :], *[None] * len(names))
    found = [
        node.kwargs.get(name, default if value is None else value)
        for name, value, default in zip(names, given, _DEFAULTS, strict=False)
    ]
    return found[0], found[1], found[2], cast(int, found[3])


def _plane(value: Any, flat: bool, neutral: int) -> tuple[int, int]:
    items = [value] if isinstance(value, int) else [int(item) for item in value]
    if flat:
        return neutral, items[0]
    return (items[0], items[-1])

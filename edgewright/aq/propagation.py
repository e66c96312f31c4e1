"""How the scale of a channel travels through the operators of a graph.

A label tensor has the shape of an activation and holds, for each element, the producer's channel that it
scales with; FREE marks zeros, which scale with anything. An operator passes labels when scaling a channel
of its input by a positive factor scales exactly the elements of its output that carry the channel's label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

FREE = -1

# fmt: off
MOVING = frozenset({
    "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "expand", "slice", "select",
    "unsqueeze", "squeeze", "split", "split_with_sizes", "chunk", "unbind", "clone", "contiguous", "detach", "alias",
    "repeat", "flip", "roll", "cat", "stack", "index_select", "index", "repeat_interleave", "pixel_shuffle",
    "pixel_unshuffle", "lift_fresh",
})
_VIEWS = frozenset({"view", "_unsafe_view", "reshape", "_reshape_alias"})
_SCALING = frozenset({
    "relu", "relu_", "leaky_relu", "leaky_relu_", "neg", "neg_", "abs", "mul", "mul_", "div", "div_", "_to_copy",
})
_POOLING = frozenset({
    "max_pool2d_with_indices", "avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d", "upsample_nearest2d",
})
_REDUCING = frozenset({"mean", "sum", "amax"})
_SHAPE_ONLY = frozenset({
    "empty_like", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_empty", "new_full", "rand_like",
})
# fmt: on


def reads_values(operator: str) -> bool:
    """Whether the operator looks at more than shape and dtype of its arguments."""
    return operator not in _SHAPE_ONLY


@dataclass(frozen=True, slots=True)
class Passage:
    """What one operator does with the labels of one producer.

    Attributes:
        outputs: output tensors with their labels.
        stopped: labels whose channels the operator does not let through; their scale would change its result.
    """

    outputs: tuple[tuple[Tensor, Tensor], ...] = ()
    stopped: tuple[Tensor, ...] = ()


def propagate(
    function: Callable[..., Any], operator: str, args: Sequence[Any], kwargs: dict[str, Any], output: Any,
    label_of: Callable[[Tensor], Tensor | None],
) -> Passage:  # fmt: skip
    """What an operator does with the labels of a producer.

    Args:
        function: the ATen overload, `operator` its base name.
        args: its arguments; `label_of` gives the labels of those that scale with the producer.
        kwargs: likewise.
        output: what it returned.
    """
    tensors = (value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor))
    labels = tuple(label for label in map(label_of, tensors) if label is not None)
    value = 2 if operator.startswith("_scaled_dot_product") else 1 if operator == "bmm" else None
    if value is not None:
        label = label_of(args[value])
        mixed = None if label is None else weighted_sum(label, output)
        if label is None or mixed is None:
            return Passage(stopped=labels)
        return Passage((mixed,), tuple(other for other in labels if other is not label))
    passed = _passed(function, operator, args, kwargs, output, label_of)
    return Passage(stopped=labels) if passed is None else Passage(tuple(passed))


def _passed(
    function: Callable[..., Any], operator: str, args: Sequence[Any], kwargs: dict[str, Any], output: Any,
    label_of: Callable[[Tensor], Tensor | None],
) -> list[tuple[Tensor, Tensor]] | None:  # fmt: skip
    if operator in MOVING:
        return moved(function, operator, args, kwargs, output, label_of)
    labelled = [index for index, value in enumerate(args) if isinstance(value, Tensor) and label_of(value) is not None]
    if operator in {"add", "sub"} and labelled == [0, 1]:
        left, right = _expanded(label_of(args[0]), output), _expanded(label_of(args[1]), output)
        return [(output, left)] if torch.equal(left, right) else None
    if len(labelled) != 1:
        return None
    position = labelled[0]
    label = label_of(args[position])
    assert label is not None
    if operator in _SCALING:
        # Written into another tensor, the labels would be unknown to that tensor's other views.
        is_refused = position == 1 and (operator.startswith("div") or operator.endswith("_"))
        return None if is_refused or not output.is_floating_point() else [(output, _expanded(label, output))]
    return _shaped(operator, label, args, kwargs, output) if position == 0 else None


def mapping(label: Tensor, axis: int) -> Tensor | None:
    """The producer's channel of each input channel along `axis`, int64, FREE where it is always 0.

    None where a channel mixes several of the producer's.
    """
    rows = label.movedim(axis, 0).flatten(1)
    known = rows.amax(1)
    same = (rows == known.unsqueeze(1)) | (rows == FREE)
    return known.to(torch.int64) if bool(same.all()) else None


def moved(
    function: Callable[..., Any], operator: str, args: Sequence[Any], kwargs: dict[str, Any], output: Any,
    label_of: Callable[[Tensor], Tensor | None],
) -> list[tuple[Tensor, Tensor]] | None:  # fmt: skip
    is_list = isinstance(args[0], (list, tuple))
    data = list(args[0]) if is_list else [args[0]]
    labels = [label_of(value) for value in data]
    others = [value for value in args[1:] if isinstance(value, Tensor) and label_of(value) is not None]
    if others or any(label is None for label in labels):
        return None
    if operator in _VIEWS:
        if isinstance(args[1], torch.dtype):
            return None
        # Labels are expanded, so that a view of them may not exist where one of the activation does.
        return [(output, label.reshape(args[1])) for label in labels if label is not None]
    results = function(labels if is_list else labels[0], *args[1:], **tree_map(_without_dtype, kwargs))
    if isinstance(output, Tensor):
        return [(output, results)]
    return list(zip(output, results, strict=True))


def _without_dtype(value: Any) -> Any:
    return None if isinstance(value, torch.dtype) else value


def _expanded(label: Tensor | None, output: Tensor) -> Tensor:
    assert label is not None
    return label.expand(output.shape)


def _shaped(
    operator: str, label: Tensor, args: Sequence[Any], kwargs: dict[str, Any], output: Any
) -> list[tuple[Tensor, Tensor]] | None:
    if operator == "constant_pad_nd":
        value = args[2] if len(args) > 2 else kwargs.get("value", 0)
        return [(output, torch.nn.functional.pad(label, args[1], value=FREE))] if value == 0 else None
    if operator in _POOLING:
        first = output if isinstance(output, Tensor) else output[0]
        channel = constant(label, (2, 3))
        return None if channel is None else [(first, channel.expand(first.shape))]
    if operator in _REDUCING and len(args) > 1 and args[1] is not None:
        channel = constant(label, tuple(args[1]))
        return None if channel is None else [(output, channel.reshape(output.shape))]
    return None


def weighted_sum(label: Tensor, output: Any) -> tuple[Tensor, Tensor] | None:
    """Sums over positions with weights that have no labels: attention, or a batched product."""
    first = output if isinstance(output, Tensor) else output[0]
    channel = constant(label, (-2,))
    if channel is None:
        return None
    if channel.ndim > 3 and channel.shape[1] != first.shape[1]:
        channel = channel.repeat_interleave(first.shape[1] // channel.shape[1], 1)
    return first, channel.expand(first.shape)


def constant(label: Tensor, axes: tuple[int, ...]) -> Tensor | None:
    high = label.amax(axes, keepdim=True)
    return high if bool(((label == high) | (label == FREE)).all()) else None

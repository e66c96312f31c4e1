"""Whether an operator of a program lies within the bounds that a capability map states for it."""

from collections.abc import Sequence
from typing import Any, cast

from torch._ops import OpOverload
from torch.fx import Node

from edgewright.targets.schema import Bounds


def refusal(bounds: Bounds, node: Node) -> str | None:
    """Why a convolution, pool or upsampling lies outside of `bounds`; None where it lies within them.

    Args:
        bounds: of the operator's line.
        node: a call of an ATen operator.
    """
    arguments = _arguments(node)
    if bounds.channels is not None and (reason := bounds.channels.refusal(*_channels(node, arguments))) is not None:
        return reason
    stride = _sizes(arguments.get("stride")) or _sizes(arguments.get("kernel_size"))
    is_padded = any(_sizes(arguments.get("padding"))) or isinstance(arguments.get("padding"), str)
    is_dilated = any(size > 1 for size in _sizes(arguments.get("dilation")))
    largest = max(stride, default=1)
    if bounds.stride is not None and largest > bounds.stride:
        return f"its stride of {largest} is above {bounds.stride}"
    if bounds.padded_stride is not None and (is_padded or is_dilated) and largest > bounds.padded_stride:
        what = "padding" if is_padded else "dilation"
        return f"its stride of {largest} with {what} is above {bounds.padded_stride}"
    window = max(_sizes(arguments.get("kernel_size")), default=1)
    # Padding that counts is zeros ahead of the pool, and no padding of its own.
    is_own = is_padded and not arguments.get("count_include_pad", False) and arguments.get("divisor_override") is None
    if bounds.padded_window is not None and is_own and window > bounds.padded_window:
        return f"its padded window of {window} is above {bounds.padded_window}"
    if bounds.scales is not None and (scales := _scales(node, arguments)) is not None:
        known = " or ".join(str(scale) for scale in bounds.scales)
        if len(set(scales)) > 1 or scales[0] not in bounds.scales:
            return f"its scale of {' x '.join(f'{scale:g}' for scale in scales)} is not {known}"
    return None


def _channels(node: Node, arguments: dict[str, Any]) -> tuple[int, int, int]:
    """Input channels, output channels and groups of a convolution or linear."""
    weight = arguments["weight"].meta["val"].shape
    groups = int(arguments.get("groups", 1))
    return int(weight[1]) * groups, int(weight[0]), groups


def _arguments(node: Node) -> dict[str, Any]:
    """Arguments of a call by name, defaults among them."""
    declared = cast(OpOverload, node.target)._schema.arguments
    given = {item.name: value for item, value in zip(declared, node.args, strict=False)}
    found: dict[str, Any] = {item.name: item.default_value for item in declared} | given | node.kwargs
    return found


def _sizes(value: Any) -> tuple[int, ...]:
    """One size a dimension; none where there is no such argument, or it is a word (`same`)."""
    if isinstance(value, int):
        return (value,)
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _scales(node: Node, arguments: dict[str, Any]) -> list[float] | None:
    """Output size over input size of the last dimensions."""
    source = node.all_input_nodes[0].meta["val"].shape
    result = node.meta["val"].shape
    if arguments.get("scale_factors") is not None:
        return [float(scale) for scale in arguments["scale_factors"]]
    return [float(after / before) for after, before in zip(result[2:], source[2:], strict=True)]

"""Guards that all rules share: what a replacement may never change."""

from collections.abc import Sequence

import torch
from torch.fx import GraphModule, Node

from edgewright.go.match import Match, equal_sizes, is_constant
from edgewright.go.pattern import aten

_STRIDE_SENSITIVE = frozenset({
    aten.view.default, aten.as_strided.default, aten.contiguous.default, aten.view.dtype, aten._unsafe_view.default,
})


def refuse_match(match: Match, shared: bool) -> str | None:
    """The reason for refusing a match before anything is built, or None."""
    for name in sorted(match.constants):
        if match[name] is not None and not is_constant(match[name]):
            return f"'{name}' is not a constant"
    if not shared:
        inside = set(match.nodes)
        for node in match.nodes:
            outside = [user for user in node.users if user not in inside]
            if node not in match.outputs and outside:
                return f"{node.name} has another user, {outside[0].name}"
    return None


def refuse_replacement(module: GraphModule, old: Sequence[Node], new: Sequence[Node]) -> str | None:
    """The reason for refusing built nodes as a substitute for `old`, or None.

    Sizes, element type and device of each output stay; its layout stays where somebody sees it; no output of the
    program comes to alias an input, a constant or another output.
    """
    if len(old) != len(new):
        return f"{len(new)} results replace {len(old)}"
    outputs = set(module.graph.output_node().all_input_nodes)
    for before, after in zip(old, new, strict=True):
        reason = _refuse_value(before, after, before in outputs)
        if reason is not None:
            return reason
        if before in outputs and after is not before and (after.op != "call_function" or after in outputs):
            return f"the program's output {before.name} would be {after.name} itself"
    return None


def _refuse_value(before: Node, after: Node, is_output: bool) -> str | None:
    was, now = before.meta["val"], after.meta["val"]
    if not isinstance(was, torch.Tensor) or not isinstance(now, torch.Tensor):
        return None if type(was) is type(now) else f"{after.name} is no tensor"
    if not equal_sizes(was.shape, now.shape):
        return f"shape {tuple(was.shape)} would become {tuple(now.shape)}"
    if was.dtype != now.dtype:
        return f"type {was.dtype} would become {now.dtype}"
    if was.device != now.device:
        return f"device {was.device} would become {now.device}"
    if _same_layout(was, now):
        return None
    sees = [user.name for user in before.users if user.target in _STRIDE_SENSITIVE]
    if is_output or sees:
        return f"layout {was.stride()} would become {now.stride()}, seen by {sees[0] if sees else 'the caller'}"
    return None


def _same_layout(was: torch.Tensor, now: torch.Tensor) -> bool:
    if was.layout != now.layout:
        return False
    pairs = zip(was.shape, was.stride(), now.stride(), strict=True)
    return all(equal_sizes(a, b) for size, a, b in pairs if not equal_sizes(size, 1))

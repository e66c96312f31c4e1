"""Guards that all rules share: what a replacement may never change."""

import torch
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from edgewright.go.build import propagate
from edgewright.go.match import Match, equal_sizes, is_constant
from edgewright.go.pattern import aten

_STRIDE_SENSITIVE = frozenset({
    aten.view.default, aten.as_strided.default, aten.contiguous.default, aten.view.dtype, aten._unsafe_view.default,
    aten.view_as_complex.default,
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
            if node is not match.root and outside:
                return f"{node.name} has another user, {outside[0].name}"
    return None


def refuse_replacement(module: GraphModule, old: Node, new: Node) -> str | None:
    """The reason for refusing a built node as a substitute for `old`, or None.

    Sizes, element type and device stay; the layout stays where the caller or an operator sees it, through the operators
    that pass it on; no output of the program comes to alias an input, a constant or another output.
    """
    was, now = old.meta["val"], new.meta["val"]
    if not isinstance(was, torch.Tensor) or not isinstance(now, torch.Tensor):
        return None if type(was) is type(now) else f"{new.name} is no tensor"
    if not equal_sizes(was.shape, now.shape):
        return f"shape {tuple(was.shape)} would become {tuple(now.shape)}"
    if was.dtype != now.dtype:
        return f"type {was.dtype} would become {now.dtype}"
    if was.device != now.device:
        return f"device {was.device} would become {now.device}"
    witness = None if _same_layout(was, now) else _who_sees_layout(module, old, now)
    if witness is not None:
        return f"layout {was.stride()} would become {now.stride()}, seen by {witness}"
    outputs = set(module.graph.output_node().all_input_nodes)
    if old in outputs and new is not old and (new.op != "call_function" or new in outputs):
        return f"the program's output {old.name} would be {new.name} itself"
    return None


def _who_sees_layout(module: GraphModule, old: Node, now: torch.Tensor) -> str | None:
    """The first that sees that `old` is laid out as `now`: an operator behind it, or the caller."""
    changed = {old: now}
    node: Node = old.next
    while node.op != "root":
        if not changed.keys().isdisjoint(node.all_input_nodes):
            if node.op == "output":
                return "the caller"
            if node.target in _STRIDE_SENSITIVE:
                return str(node.name)
            args, kwargs = map_arg((node.args, node.kwargs), lambda source: changed.get(source, source.meta["val"]))
            try:
                value = propagate(module, node.target, args, kwargs)
            except Exception:
                return str(node.name)
            if isinstance(value, torch.Tensor) and not _same_layout(node.meta["val"], value):
                changed[node] = value
        node = node.next
    return None


def _same_layout(was: torch.Tensor, now: torch.Tensor) -> bool:
    if was.layout != now.layout:
        return False
    pairs = zip(was.shape, was.stride(), now.stride(), strict=True)
    return all(equal_sizes(a, b) for size, a, b in pairs if not equal_sizes(size, 1))

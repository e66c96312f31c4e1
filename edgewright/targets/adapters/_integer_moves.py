"""Edits of a QDQ graph after which data moves as integers, where a runtime would dequantize it to move it."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets.adapters._program import name_of

_QUANTIZE, _DEQUANTIZE = "quantize_per_tensor", "dequantize_per_tensor"
_ACTIVATIONS = ("relu", "relu6", "hardtanh", "clamp")
_PADDINGS = ("pad", "constant_pad_nd")
_PLANE = ([2, 3], [-2, -1])


def pad_integers(module: GraphModule) -> None:
    """dequantize -> pad with zeros -> quantize, on equal parameters, becomes a padding with the zero point: exact."""
    for node in list(module.graph.nodes):
        if name_of(node) not in _PADDINGS or not _is_constant_zero(node):
            continue
        source, user = node.all_input_nodes[0], _only_user(node)
        if name_of(source) != _DEQUANTIZE or user is None or name_of(user) != _QUANTIZE:
            continue
        # ONNX Runtime pads bytes, but has no kernel for 16-bit integers.
        if source.args[1:6] != user.args[1:6] or source.args[5] == torch.int16:
            continue
        zero_point = cast(int, source.args[2])
        with module.graph.inserting_before(node):
            padded = module.graph.call_function(
                torch.ops.aten.constant_pad_nd.default, (source.args[0], node.args[1], zero_point)
            )
        ir.adopt(padded, [node])
        user.replace_all_uses_with(padded)
        for old in (user, node):
            module.graph.erase_node(old)


def flatten_linear(module: GraphModule) -> None:
    """A quantized linear of more than two dimensions reads a matrix of tokens and writes one: reshapes of integers.

    Runtimes have an integer kernel for a matrix product with bias of two dimensions (ONNX's Gemm), and compute
    others in float between the pairs.
    """
    for node in list(module.graph.nodes):
        if name_of(node) != "linear":
            continue
        source, tail = cast(Node, node.args[0]), _tail(node)
        if name_of(source) != _DEQUANTIZE or tail is None or source.meta["val"].dim() <= 2:
            continue
        integers = cast(Node, source.args[0])
        shape, columns = source.meta["val"].shape, int(source.meta["val"].shape[-1])
        with module.graph.inserting_before(source):
            tokens = module.graph.call_function(torch.ops.aten.reshape.default, (integers, [-1, columns]))
            flat = module.graph.call_function(cast(Any, source.target), (tokens, *source.args[1:]))
        rows = int(cast(Node, node.args[1]).meta["val"].shape[0])
        leading = [-1, *(int(size) for size in shape[1:-1]), rows]
        with module.graph.inserting_after(tail):
            restored = module.graph.call_function(torch.ops.aten.reshape.default, (tail, leading))
        for new, old in ((tokens, node), (flat, source), (restored, node)):
            ir.adopt(new, [old])
        tail.replace_all_uses_with(restored, delete_user_cb=lambda user, keep=restored: user is not keep)
        node.replace_input_with(source, flat)


def pool_planes(module: GraphModule) -> None:
    """dequantize -> mean of the plane -> quantize becomes a pool of it, which has an integer kernel."""
    for node in list(module.graph.nodes):
        if not _is_global_pool(node):
            continue
        source, user = node.all_input_nodes[0], _only_user(node)
        if source.meta["val"].dim() != 4 or name_of(source) != _DEQUANTIZE:
            continue
        if user is None or name_of(user) != _QUANTIZE:
            continue
        with module.graph.inserting_before(node):
            pooled = module.graph.call_function(_global_pool, (source,))
        ir.adopt(pooled, [node])
        node.replace_all_uses_with(pooled)
        module.graph.erase_node(node)


def _global_pool(x: Tensor) -> Tensor:
    """The operator in a graph that is exported to ONNX, whose exporter spells every pool of a plane as a mean."""
    return torch.onnx.ops.symbolic("GlobalAveragePool", [x], dtype=x.dtype, shape=[*x.shape[:2], 1, 1])


def _only_user(node: Node) -> Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _tail(node: Node) -> Node | None:
    """The quantize node of an operator's result, activations between them passed over."""
    user = _only_user(node)
    while user is not None and name_of(user) in _ACTIVATIONS:
        user = _only_user(user)
    return user if user is not None and name_of(user) == _QUANTIZE else None


def _is_global_pool(node: Node) -> bool:
    arguments = cast(tuple[Any, ...], node.args)
    if name_of(node) == "adaptive_avg_pool2d":
        return set(arguments[1]) == {1}
    return name_of(node) == "mean" and sorted(arguments[1]) in _PLANE and len(arguments) > 2 and bool(arguments[2])


def _is_constant_zero(node: Node) -> bool:
    return all(value in ("constant", None, 0) for value in (*node.args[2:], *node.kwargs.values()))

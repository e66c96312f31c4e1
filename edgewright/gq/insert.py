"""Put quantize and dequantize operators into an unlifted Program."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.annotate import Annotation, Quantized
from edgewright.gq.groups import QuantizedTensor, grid_of
from edgewright.gq.operators import weight_of
from edgewright.gq.parameters import ActivationGrid, Parameters
from edgewright.gq.weights import IntegerWeight, dequantized


def insert_static(
    module: GraphModule, annotation: Annotation, parameters: Mapping[QuantizedTensor, Parameters]
) -> None:
    """One quantize after each tensor, one dequantize per user.

    Every user of an integer operator reads what the integers stand for; a float operator's tensor is dequantized for
    its integer users alone. A user on another grid than the operator that makes the tensor gets a second pair behind
    the first, which is what the device computes: it changes the scale of stored integers.

    Args:
        module: an unlifted Program, changed in place.
        annotation: what becomes of each operator.
        parameters: parameters of each tensor on each of its grids.
    """
    plans = [plan for plan in annotation.quantized if plan.is_static]
    made = {plan.tail: grid_of(plan) for plan in plans}
    read: dict[QuantizedTensor, list[Node]] = {}
    for plan in plans:
        for consumer, source in plan.edges:
            read.setdefault(QuantizedTensor(source, grid_of(plan)), []).append(consumer)
    behind = []
    for tensor, found in parameters.items():
        users = read.get(tensor, [])
        if made.get(tensor.node, tensor.grid) != tensor.grid:
            behind.append((tensor, found, users))
        else:
            everyone = list(tensor.node.users) if tensor.node in made else users
            _pair(module, tensor.node, everyone, found, tensor.grid)
    for tensor, found, users in behind:
        restored = [_restored(module, tensor.node, user) for user in users]
        for node, user in zip(restored[1:], users[1:], strict=True):
            user.replace_input_with(node, restored[0])
            module.graph.erase_node(node)
        _pair(module, restored[0], users, found, tensor.grid)


def insert_dynamic(module: GraphModule, plan: Quantized) -> None:
    """Choose parameters, quantize and dequantize per token ahead of an operator whose activations are dynamic."""
    assert plan.scheme.activations is not None
    grid = ActivationGrid.of(plan.scheme.activations)
    kind = "SYMMETRIC" if grid.symmetric else "ASYMMETRIC"
    dtype = getattr(torch, grid.dtype)
    torchao = torch.ops.torchao
    for consumer, source in plan.edges:
        shape = source.meta["val"].shape
        block = [1] * (len(shape) - 1) + [int(shape[-1])]
        call = _caller(module, consumer)
        chosen = call(
            torchao.choose_qparams_affine.default,
            (source, kind, block, dtype, grid.qmin, grid.qmax, None, torch.float32, dtype),
        )
        scale, zero_point = (call(operator.getitem, (chosen, index)) for index in (0, 1))
        ends = (scale, zero_point, dtype, grid.qmin, grid.qmax)
        quantized = call(torchao.quantize_affine.default, (source, block, *ends))
        restored = call(torchao.dequantize_affine.default, (quantized, block, *ends))
        consumer.replace_input_with(source, restored)


def insert_weight(module: GraphModule, plan: Quantized, weight: IntegerWeight) -> None:
    """Replace the weight that an operator reads; groups of integers brought from aq stay as they are."""
    old = weight_of(plan.node)
    assert old is not None
    if weight.source == "aq" and weight.scheme.group is not None:
        return
    new = dequantized(module, weight, plan.node)
    plan.node.replace_input_with(old, new)


def _pair(
    module: GraphModule, source: Node, users: Sequence[Node], found: Parameters, grid: ActivationGrid
) -> None:
    decomposed = torch.ops.quantized_decomposed
    arguments = (found.scale, found.zero_point, grid.qmin, grid.qmax, getattr(torch, grid.dtype))
    owner = source if source.op == "call_function" else users[0]
    if source.op == "get_attr":
        value = ir.tensor_of(module, source)
        levels = decomposed.quantize_per_tensor(value, *arguments)
        quantized = ir.constant(module, levels, str(source.target), source)
    else:
        with module.graph.inserting_after(source):
            quantized = module.graph.call_function(decomposed.quantize_per_tensor.default, (source, *arguments))
        ir.adopt(quantized, [owner])
    for user in dict.fromkeys(users):
        with module.graph.inserting_before(user):
            restored = module.graph.call_function(
                decomposed.dequantize_per_tensor.default, (quantized, *arguments)
            )
        ir.adopt(restored, [user if user.op == "call_function" else owner])
        user.replace_input_with(source, restored)


def _restored(module: GraphModule, source: Node, user: Node) -> Node:
    """The dequantize node between the pair of `source` and one of its users."""
    (quantized,) = (node for node in source.users if ir.operator_name(node.target) == "quantize_per_tensor")
    return next(node for node in quantized.users if user in node.users)


def _caller(module: GraphModule, before: Node) -> Callable[[Callable[..., Any], tuple[Any, ...]], Node]:
    def call(target: Callable[..., Any], arguments: tuple[Any, ...]) -> Node:
        with module.graph.inserting_before(before):
            node = module.graph.call_function(target, arguments)
        ir.adopt(node, [before])
        return node

    return call


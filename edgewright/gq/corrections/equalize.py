"""Cross-layer equalization: channels of a pair of operators get equal ranges of weights on either side of a ReLU.

For operators W1, b1 and W2 with a positively homogeneous function between them, and a factor s of each channel,

    W1 / s, b1 / s    and    W2 s,    s = sqrt(r1 / r2)

give the same output; r1 and r2 are the largest magnitudes of the channel's weights in W1 and W2, equal afterwards.
Pairs are gone through until the factors are 1. ReLU6 is not homogeneous and is refused, as is a tensor that more than
one operator reads. Nagel et al. 2019, arXiv:1906.04721, section 4.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq.integers import origin, owner_of
from edgewright.gq.operators import bias_of, is_zero_padding_of_plane, weight_of

_HOMOGENEOUS = ("relu", "leaky_relu", "max_pool2d", "avg_pool2d", "dropout")
_PADDINGS = ("pad", "constant_pad_nd")
_KINDS = ("conv1d", "conv2d", "linear")
_ROUNDS = 20
_ENOUGH = 1e-3
_GROUPS = 6


@dataclass(frozen=True, slots=True)
class _Pair:
    first: Node
    second: Node


def prepare(module: GraphModule) -> tuple[str, ...]:
    """Equalize all pairs of an unlifted float Program; paths of the modules whose weights changed."""
    pairs = list(_pairs(module))
    weights = {node: _own(module, node) for pair in pairs for node in (pair.first, pair.second)}
    changed: set[str] = set()
    for _ in range(_ROUNDS):
        largest = 0.0
        for pair in pairs:
            factor = _equalize(module, pair, weights)
            largest = max(largest, float((factor - 1).abs().max()))
            if bool((factor != 1).any()):
                changed |= {owner_of(node) or ir.scope(node) for node in (pair.first, pair.second)}
        if largest < _ENOUGH:
            break
    return tuple(sorted(changed))


def _equalize(module: GraphModule, pair: _Pair, weights: dict[Node, Tensor]) -> Tensor:
    first, second = weights[pair.first], weights[pair.second]
    reads = _by_input(pair.second, second)
    written = first.flatten(1)
    above, below = written.abs().amax(1), reads.abs().amax(1)
    known = (above > 0) & (below > 0)
    factor = torch.where(known, (above / torch.where(known, below, 1.0)).sqrt(), 1.0)
    first.div_(factor.reshape(-1, *[1] * (first.ndim - 1)))
    _scale_inputs(pair.second, second, factor)
    bias = bias_of(pair.first)
    if bias is not None:
        ir.tensor_of(module, bias).div_(factor)
    return factor


def _pairs(module: GraphModule) -> Iterator[_Pair]:
    for node in module.graph.nodes:
        if not _is_scalable(node):
            continue
        at: Node = node
        found: Node | None = None
        while len(at.users) == 1:
            at = next(iter(at.users))
            if not _passes(at):
                found = at
                break
        if found is not None and _is_scalable(found) and _matches(node, found):
            yield _Pair(node, found)


def _is_scalable(node: Node) -> bool:
    if node.op != "call_function" or ir.operator_name(node.target) not in _KINDS:
        return False
    weight, bias = weight_of(node), bias_of(node)
    constants = [item for item in (weight, bias) if item is not None]
    return (
        weight is not None
        and origin(weight) is None
        and all(item.op == "get_attr" and len(item.users) == 1 for item in constants)
    )


def _passes(node: Node) -> bool:
    op = ir.operator_name(node.target) if node.op == "call_function" else ""
    return op in _HOMOGENEOUS or (op in _PADDINGS and is_zero_padding_of_plane(node))


def _matches(first: Node, second: Node) -> bool:
    """Whether the output channels of one are the input channels of the other, one by one."""
    shapes = []
    for node in (first, second):
        weight = weight_of(node)
        assert weight is not None
        shapes.append(weight.meta["val"].shape)
    is_linear = [ir.operator_name(node.target) == "linear" for node in (first, second)]
    groups = _groups(second)
    dense, depthwise = groups == 1, groups == int(shapes[1][0]) and int(shapes[1][1]) == 1
    channels = int(shapes[1][0]) if depthwise and not dense else int(shapes[1][1])
    return is_linear[0] == is_linear[1] and (dense or depthwise) and int(shapes[0][0]) == channels


def _groups(node: Node) -> int:
    value = node.args[_GROUPS] if len(node.args) > _GROUPS else node.kwargs.get("groups", 1)
    assert isinstance(value, int)
    return value


def _by_input(node: Node, weight: Tensor) -> Tensor:
    """The weight as [input channels, rest]."""
    return weight.flatten(1) if _groups(node) > 1 else weight.transpose(0, 1).flatten(1)


def _scale_inputs(node: Node, weight: Tensor, factor: Tensor) -> None:
    axis = 0 if _groups(node) > 1 else 1
    weight.mul_(factor.reshape([-1 if index == axis else 1 for index in range(weight.ndim)]))


def _own(module: GraphModule, node: Node) -> Tensor:
    """A copy of the weight that the module alone reads, and of the bias; the weight."""
    weight, bias = weight_of(node), bias_of(node)
    assert weight is not None
    for source in (weight, bias):
        if source is not None:
            new = ir.constant(module, ir.tensor_of(module, source).clone(), str(source.target), source)
            source.replace_all_uses_with(new)
            module.graph.erase_node(source)
    found = weight_of(node)
    assert found is not None
    return ir.tensor_of(module, found)

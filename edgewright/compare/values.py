"""The float tensors of a Program that can be compared with those of another."""

from collections import Counter
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.ir.names import name_tensors
from edgewright.ir.nodes import is_float, is_operator, is_quantization
from edgewright.ir.scope import provenance

INPUT = "input"
"""Operator of an input of the Program."""

_WEIGHTED = frozenset({
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "embedding",
})  # fmt: skip
# Their entries are entries of their inputs: the error of these is that of what they read.
_MOVES = frozenset({
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "expand", "unsqueeze", "squeeze", "select",
    "slice", "split", "split_with_sizes", "chunk", "unbind", "cat", "stack", "pad", "constant_pad_nd", "clone",
    "contiguous", "alias", "detach", "dropout", "roll", "flip", "repeat", "max_pool1d", "max_pool2d", "max_pool3d",
    "adaptive_max_pool2d", "_to_copy", "to", "pixel_shuffle", "channel_shuffle",
})  # fmt: skip

# Beside those with a weight, what a kernel computes together with an activation.
_SUMS = ("add", "sub", "mul")


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor by what makes it.

    Attributes:
        name: unique in its graph.
        scope: path of the module that people know it by; empty for the root.
        operator: name of the operator (`conv2d`), or `input`.
        shape: as text, `?` for a size that is not known.
        origins: operators of the first export that it stands for; empty where that is not known.
        module: path of the smallest module that contains all of `origins`.
        layer: what `layers` of a scheme calls it: its module where that has no other operator, else itself
            (`stage1:add`); empty where nothing does.
        moves: its entries are entries of the operator's inputs.
        tail: name of the activation that runs inside its kernel and is what the device stores; else empty.
    """

    name: str
    scope: str
    operator: str
    shape: tuple[str, ...]
    origins: tuple[str, ...] = ()
    module: str = ""
    layer: str = ""
    moves: bool = False
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value lies in a graph.

    Attributes:
        node: makes it.
        quantize: rounds it to what is stored; None where it stays float.
        restored: the nodes that give the stored value back.
        weight: the tensor that the operator multiplies with; None where it takes none.
    """

    node: Node
    quantize: Node | None
    restored: tuple[Node, ...]
    weight: Node | None

    @property
    def stored(self) -> Node:
        """Gives the value as the device stores it."""
        return self.restored[0] if self.restored else self.node

    @property
    def given(self) -> frozenset[Node]:
        """Nodes that hand the value to its users."""
        return frozenset((self.node, *self.restored))


def places(module: GraphModule) -> dict[str, Place]:
    """All float tensors of an unlifted Program that depend on an input, its float inputs first, in graph order."""
    found: dict[str, Place] = {}
    dependent: set[Node] = set()
    for node in module.graph.nodes:
        if node.op != "placeholder" and dependent.isdisjoint(node.all_input_nodes):
            continue
        dependent.add(node)
        if is_float(node) and (node.op == "placeholder" or (is_operator(node) and not is_quantization(node))):
            quantize, restored = _pair(node)
            found[node.name] = Place(node, quantize, restored, _weight(node, dependent))
    return found


def values(module: GraphModule, found: dict[str, Place]) -> list[Value]:
    """What the places of an unlifted Program hold, in their order."""
    names = name_tensors(module)
    scopes = {node: ir.scope(node) for node in module.graph.nodes if is_operator(node) and not is_quantization(node)}
    owners = Counter(_scope(place) for place in found.values() if place.weight is not None)
    made = []
    for place in found.values():
        scope, layer = _scope(place), names[place.node]
        alone = [path for path in scopes.values() if f"{path}.".startswith(f"{scope}.")] == [scope]
        if scope and (alone or (place.weight is not None and owners[scope] == 1 and ir.scope(place.node) != scope)):
            layer = scope
        made.append(_value(place, scope, layer))
    return made


def is_weighted(operator: str) -> bool:
    """Whether the operator of that name multiplies with a weight."""
    return operator in _WEIGHTED


def is_move(operator: str) -> bool:
    """Whether the entries of what the operator of that name makes are entries of its inputs."""
    return operator in _MOVES


def _value(place: Place, scope: str, layer: str) -> Value:
    node = place.node
    shape = _shape(node)
    if node.op == "placeholder":
        return Value(node.name, "", INPUT, shape)
    origins = tuple(provenance(node)["from"])
    operator = ir.operator_name(node.target)
    return Value(
        node.name, scope, operator, shape, origins, ir.scope(node), layer, is_move(operator), _tail(place)
    )


def _scope(place: Place) -> str:
    """The module of an operator; the owner of its weight where merging has left the operator to a module above."""
    scope, weight = ir.scope(place.node), place.weight
    while weight is not None and weight.op == "call_function" and weight.all_input_nodes:
        weight = weight.all_input_nodes[0]
    if weight is None or weight.op != "get_attr":
        return scope
    owner = str(weight.target).rpartition(".")[0]
    return owner if not scope or owner.startswith(f"{scope}.") else scope


def _shape(node: Node) -> tuple[str, ...]:
    return tuple(str(size) if isinstance(size, int) else "?" for size in node.meta["val"].shape)


def _weight(node: Node, dependent: set[Node]) -> Node | None:
    if node.op != "call_function" or not is_weighted(ir.operator_name(node.target)):
        return None
    index = 0 if ir.operator_name(node.target) == "embedding" else 1
    weight = node.args[index] if len(node.args) > index else node.kwargs.get("weight")
    return weight if isinstance(weight, Node) and weight not in dependent else None


def _pair(node: Node) -> tuple[Node | None, tuple[Node, ...]]:
    """The quantize node behind `node` and its dequantize nodes, where it is stored as integers on one grid."""
    quantizes = [user for user in node.users if ir.operator_name(user.target) == "quantize_per_tensor"]
    if len(quantizes) != 1:
        return None, ()
    restored = tuple(user for user in quantizes[0].users if ir.operator_name(user.target) == "dequantize_per_tensor")
    return (quantizes[0], restored) if restored else (None, ())


def _tail(place: Place) -> str:
    """The operator of one input that stores what this one makes, where this one stores nothing itself."""
    users = list(place.node.users)
    operator = ir.operator_name(place.node.target)
    if place.quantize is not None or len(users) != 1 or not (is_weighted(operator) or operator in _SUMS):
        return ""
    user = users[0]
    if not is_operator(user) or user.all_input_nodes != [place.node] or is_quantization(user) or not is_float(user):
        return ""
    return user.name if _pair(user)[0] is not None else ""

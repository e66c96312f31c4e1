"""The float tensors of a Program that can be compared with those of another."""

from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgewright import ir
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
        moves: its entries are entries of the operator's inputs.
        tail: name of the activation that runs inside its kernel and is what the device stores; else empty.
    """

    name: str
    scope: str
    operator: str
    shape: tuple[str, ...]
    origins: tuple[str, ...] = ()
    module: str = ""
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


def values(found: dict[str, Place]) -> list[Value]:
    """What the places of a Program hold, in their order."""
    return [_value(place) for place in found.values()]


def is_weighted(operator: str) -> bool:
    """Whether the operator of that name multiplies with a weight."""
    return operator in _WEIGHTED


def is_move(operator: str) -> bool:
    """Whether the entries of what the operator of that name makes are entries of its inputs."""
    return operator in _MOVES


def _value(place: Place) -> Value:
    node = place.node
    shape = _shape(node)
    if node.op == "placeholder":
        return Value(node.name, "", INPUT, shape)
    origins = tuple(provenance(node)["from"])
    operator = ir.operator_name(node.target)
    return Value(
        node.name, _scope(place), operator, shape, origins, ir.scope(node), is_move(operator), _tail(place)
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
    """The quantize node of a static pair behind `node`, and its dequantize nodes; not where integers go further."""
    quantizes = [user for user in node.users if ir.operator_name(user.target) == "quantize_per_tensor"]
    if len(quantizes) != 1 or _is_second(node, quantizes[0]):
        return None, ()
    restored = tuple(user for user in quantizes[0].users if ir.operator_name(user.target) == "dequantize_per_tensor")
    return (quantizes[0], restored) if restored else (None, ())


def _is_second(node: Node, quantize: Node) -> bool:
    return is_quantization(node) and is_quantization(quantize)


def _tail(place: Place) -> str:
    """The operator of one input that stores what this one makes, where this one stores nothing itself."""
    users = list(place.node.users)
    if place.quantize is not None or len(users) != 1 or not is_weighted(ir.operator_name(place.node.target)) \
            and not _is_sum(place.node):
        return ""
    user = users[0]
    if not is_operator(user) or user.all_input_nodes != [place.node] or is_quantization(user) or not is_float(user):
        return ""
    return user.name if _pair(user)[0] is not None else ""


def _is_sum(node: Node) -> bool:
    return ir.operator_name(node.target) in ("add", "sub", "mul")


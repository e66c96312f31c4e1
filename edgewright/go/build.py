"""Build a rule's replacement in the graph: every new node typed, scoped and with its provenance."""

import operator
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import fx
from torch._dispatch.python import enable_python_dispatcher
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.node import map_aggregate

from edgewright import ir
from edgewright.errors import first_line
from edgewright.go.match import Match, equal_sizes, is_tensor, values
from edgewright.go.pattern import aten, aten_operator
from edgewright.go.rule import NotBuildable, Rule, RuleError

_NAMED_ROLES = ("weight", "bias")


class Value(fx.Proxy):
    """A tensor or symbolic size inside a replacement; knows its shape and type."""

    @property
    def value(self) -> Any:
        """The fake tensor, or the symbolic size."""
        return self.node.meta["val"]

    @property
    def shape(self) -> torch.Size:
        """Sizes; symbolic ones are `torch.SymInt`."""
        shape: torch.Size = self.value.shape
        return shape

    @property
    def dtype(self) -> torch.dtype:
        """Element type."""
        dtype: torch.dtype = self.value.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Rank."""
        return len(self.shape)


class Builder(fx.proxy.GraphAppendingTracer):
    """Appends the operators of a replacement to the graph, ahead of the node that they replace.

    Attributes:
        created: the new nodes in order, constants included.
    """

    def __init__(self, module: GraphModule, originals: Sequence[Node], rule: str, anchor: Node) -> None:
        super().__init__(module.graph)
        self.module = module
        self.originals = originals
        self.rule = rule
        self.anchor = anchor
        self.created: list[Node] = []
        self.aliases: dict[int, Node] = {}
        self._kept: list[torch.Tensor] = []
        self._made: dict[int, Node] = {}
        self.float_dtype = _float_dtype(originals)
        self._owner: str | None = None

    def proxy(self, node: Node) -> Value:
        """Wrap `node`."""
        return Value(node, self)

    def create_proxy(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],  # type: ignore[override]
                     *rest: Any, **options: Any) -> Value:
        """Append one operator."""
        roles = [role.name for role in target._schema.arguments] if isinstance(target, OpOverload) else []
        arguments = tuple(self.create_arg(arg, role) for arg, role in zip_longest(args, roles[:len(args)]))
        named = {name: self.create_arg(arg, name) for name, arg in kwargs.items()}
        if target in (operator.add, operator.mul) and not isinstance(arguments[0], Node):
            arguments = arguments[::-1]
        found = target if self._is_size(arguments) else aten_operator(target, arguments)
        if kind != "call_function" or found is None:
            raise RuleError(f"rule '{self.rule}': {target} is no ATen operator; write torch.ops.aten calls")
        return self.proxy(self.append(found, arguments, named))

    def append(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
        """Append one operator on nodes and literals; returns its node with `meta` complete."""
        try:
            value = propagate(self.module, target, args, kwargs)
        except Exception as error:
            raise NotBuildable(f"{target} on {self._describe(args)} fails: {first_line(error)}") from error
        with self.module.graph.inserting_before(self.anchor):
            node = self.module.graph.create_node("call_function", target, args, kwargs)
        node.meta["val"] = value
        ir.adopt(node, self.originals, self.rule)
        self.created.append(node)
        return node

    def create_arg(self, a: Any, role: str | None = None) -> Any:
        """Turn proxies into nodes, tensors into constants, and symbolic sizes into the nodes that compute them."""
        if isinstance(a, fx.Proxy):
            return a.node
        if isinstance(a, torch.Tensor):
            return self.constant(a, role)
        if isinstance(a, torch.SymInt):
            return self._size(a)
        if isinstance(a, list | tuple):
            return [self.create_arg(item) for item in a]
        return a

    def constant(self, tensor: torch.Tensor, role: str | None = None) -> Node:
        """The node of a constant: an old one if `tensor` is its unchanged value, else a new one, cast once.

        A weight or bias (`role`) is named after the module of the first constant that the replacement took.
        """
        if id(tensor) in self.aliases:
            if tensor._version:
                raise RuleError(f"rule '{self.rule}': a constant is changed in place; compute a new one")
            return self.aliases[id(tensor)]
        if id(tensor) in self._made:
            return self._made[id(tensor)]
        cast = tensor.to(self.float_dtype) if tensor.is_floating_point() else tensor
        path = self._owner if self._owner is not None else ir.scope(self.originals[-1])
        leaf = role if role in _NAMED_ROLES else "constant"
        node = ir.constant(self.module, cast.clone(), f"{path}.{leaf}" if path else str(leaf), self.anchor)
        ir.adopt(node, self.originals, self.rule)
        self._kept.append(tensor)
        self._made[id(tensor)] = node
        self.created.append(node)
        return node

    def bind(self, match: Match, constants: frozenset[str]) -> dict[str, Any]:
        """The bindings of `match` as a replacement takes them."""
        bound: dict[str, Any] = {}
        for name, value in match.bindings.items():
            if name in constants and value is not None:
                bound[name] = self._open(value)
            else:
                bound[name] = map_aggregate(value, lambda item: self.proxy(item) if isinstance(item, Node) else item)
        return bound

    def discard(self) -> None:
        """Remove everything that was created."""
        for node in reversed(self.created):
            self.module.graph.erase_node(node)
            if node.op == "get_attr":
                _delete(self.module, str(node.target))

    def _open(self, node: Node) -> torch.Tensor:
        stored = ir.tensor_of(self.module, node)
        tensor = stored.to(torch.float64 if stored.is_floating_point() else stored.dtype, copy=True)
        self.aliases[id(tensor)] = node
        self._kept.append(tensor)
        if self._owner is None:
            self._owner = str(node.target).rpartition(".")[0]
        return tensor

    def _is_size(self, args: Sequence[Any]) -> bool:
        nodes = [arg for arg in args if isinstance(arg, Node)]
        return bool(nodes) and not any(is_tensor(node) for node in nodes) and not any(
            isinstance(node.meta.get("val"), tuple | list) for node in nodes)

    def _size(self, size: torch.SymInt) -> Any:
        if size.node.is_constant() or size.node.maybe_as_int() is not None:
            return int(size)
        found = self._known_size(size)
        if found is not None:
            return found
        factor, _ = size.node.expr.as_coeff_Mul()
        if not factor.is_Integer or factor < 2:
            raise NotBuildable(f"the size {size} is no dimension of a tensor ahead of {self.anchor.name}")
        return self.append(operator.mul, (self._size(size // int(factor)), int(factor)), {})

    def _known_size(self, size: torch.SymInt) -> Node | None:
        for node in self.module.graph.nodes:
            if node is self.anchor:
                break
            value = node.meta.get("val")
            if isinstance(value, torch.SymInt) and equal_sizes(value, size):
                return node
            if isinstance(value, torch.Tensor) and node.op != "get_attr":
                for index, length in enumerate(value.shape):
                    if isinstance(length, torch.SymInt) and equal_sizes(length, size):
                        return self.append(aten.sym_size.int, (node, index), {})
        return None

    @staticmethod
    def _describe(args: Sequence[Any]) -> str:
        shown = [tuple(arg.shape) if isinstance(arg, torch.Tensor) else arg for arg in map(values, args)]
        return ", ".join(map(str, shown))


def build(rule: Rule, match: Match) -> tuple[Builder, Node]:
    """Create the replacement of `match` ahead of its root.

    Returns:
        the builder, with what it created, and the node that stands for the result.

    Raises:
        RuleError: the replacement calls what is no ATen operator.
        NotBuildable: it fails on the shapes and types at hand.
    """
    builder = Builder(match.module, match.nodes, rule.name, match.root)
    try:
        bindings = builder.bind(match, match.constants) | dict(rule.derive(match))
        return builder, builder.create_arg(rule.replacement(**rule.arguments(bindings)))
    except RuleError:
        builder.discard()
        raise
    except Exception as error:
        builder.discard()
        raise NotBuildable(f"{type(error).__name__}: {first_line(error)}") from error


def propagate(module: GraphModule, target: Any, args: Any, kwargs: Any) -> Any:
    """The fake result of an operator on the fake values of nodes."""
    mode = next(node.meta["val"].fake_mode for node in module.graph.nodes
                if isinstance(node.meta.get("val"), torch._subclasses.FakeTensor))
    arguments, named = values(args), values(kwargs)
    with mode, enable_python_dispatcher(), torch.no_grad():
        return target(*arguments, **named)


def _float_dtype(nodes: Sequence[Node]) -> torch.dtype:
    for node in nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value.dtype
    return torch.float32


def _delete(module: GraphModule, name: str) -> None:
    owner, _, leaf = name.rpartition(".")
    delattr(module.get_submodule(owner), leaf)



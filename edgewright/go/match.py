"""A place in a graph where the pattern of a rule matches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.fx.node import map_arg

from edgewright import ir


@dataclass(frozen=True, slots=True)
class Match:
    """A place in a graph where a pattern matches.

    Attributes:
        module: the graph module.
        root: the node that stands for the pattern's result.
        nodes: all operators of the pattern, the root included, in graph order.
        bindings: per parameter of the pattern a node, a literal, or a list of both.
        constants: names of the bindings that are taken as constants.
    """

    module: GraphModule
    root: Node
    nodes: tuple[Node, ...]
    bindings: Mapping[str, Any]
    constants: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.bindings[name]

    def value(self, name: str) -> Any:
        """What `name` stands for: fake tensors and symbolic sizes in place of nodes, literals as they are."""
        return values(self.bindings[name])

    def shape(self, name: str) -> tuple[Any, ...]:
        """Sizes of the tensor `name`; symbolic ones are `torch.SymInt`."""
        return tuple(self.value(name).shape)

    def dtype(self, name: str) -> torch.dtype:
        """Type of the tensor `name`."""
        dtype: torch.dtype = self.value(name).dtype
        return dtype

    @property
    def output(self) -> Any:
        """The fake tensor of the root."""
        return self.root.meta["val"]

    def tensor(self, name: str) -> torch.Tensor:
        """The value of the constant `name`."""
        return ir.tensor_of(self.module, self.bindings[name])


def is_constant(value: Any) -> bool:
    """Whether `value` is a node that reads a parameter or constant of the program."""
    return isinstance(value, Node) and value.op == "get_attr" and isinstance(value.meta.get("val"), torch.Tensor)


def values(argument: Any) -> Any:
    """`argument` with fake tensors and symbolic sizes in place of nodes."""
    return map_arg(argument, lambda node: node.meta["val"])


def is_tensor(value: Any) -> bool:
    """Whether `value` is a node with one tensor as its result."""
    return isinstance(value, Node) and isinstance(value.meta.get("val"), torch.Tensor)


def equal_sizes(first: Any, second: Any) -> bool:
    """Whether two sizes, or two lists of sizes, are equal for every batch; decides without adding a guard."""
    if isinstance(first, tuple | list | torch.Size):
        return len(first) == len(second) and all(map(equal_sizes, first, second))
    return bool(statically_known_true(first == second))


def static(sizes: Any) -> bool:
    """Whether all `sizes` are plain integers."""
    return all(isinstance(size, int) for size in sizes)


def dimension(index: int, rank: int) -> int:
    """`index` as a number from 0 to `rank` - 1."""
    return index % rank if rank else 0


def schema_arguments(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """All arguments of a call by the order of the operator's schema, defaults filled in."""
    if not isinstance(target, torch._ops.OpOverload):
        return (*args, *kwargs.values())
    declared = target._schema.arguments
    given = dict(zip((argument.name for argument in declared), args, strict=False)) | dict(kwargs)
    return tuple(given.get(argument.name, argument.default_value) for argument in declared)


def bits(value: torch.Tensor) -> bytes:
    """The elements of a tensor of any type as bytes."""
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""

"""Shapes of the values of a program."""

from typing import Any

from torch.fx import Node


def shape_of(node: Node) -> tuple[int, ...]:
    """Shape of a node's value, 1 for a dimension that is free."""
    value: Any = node.meta["val"]
    return tuple(size if isinstance(size, int) else 1 for size in value.shape)

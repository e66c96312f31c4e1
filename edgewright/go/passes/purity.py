"""Which operators are functions of their arguments alone."""

import operator

import torch
from torch._ops import OpOverload
from torch.fx import Node

_SIZES = frozenset({operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.neg,
                    operator.getitem})


def is_pure(node: Node) -> bool:
    """Whether `node` always gives the same result for the same arguments, and may be merged or computed ahead.

    Quantization operators are excluded: they mark where integers are stored and where they are used.
    """
    if not isinstance(node.target, OpOverload):
        return node.target in _SIZES
    if node.target.namespace != "aten" or node.target._schema.is_mutable:
        return False
    tags = node.target.tags
    return torch.Tag.nondeterministic_seeded not in tags and not node.is_impure()

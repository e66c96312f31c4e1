"""What kind of node of a Program one is."""

import torch
from torch.fx import Node

_QUANTIZATION = ("torchao", "quantized_decomposed")


def is_float(node: Node) -> bool:
    """Whether the result of `node` is one floating-point tensor."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype.is_floating_point


def is_operator(node: Node) -> bool:
    """Whether `node` calls an operator of torch, and not a Python function on sizes."""
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)


def is_quantization(node: Node) -> bool:
    """Whether `node` is one of the standard quantization operators."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target.namespace in _QUANTIZATION

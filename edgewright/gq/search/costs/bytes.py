"""Bytes of the weights, their scales and zero points."""

from torch.fx import GraphModule, Node

from edgewright.gq.annotate import Quantized
from edgewright.gq.operators import takes_weight, weight_of
from edgewright.gq.search.costs import FLOAT_BITS
from edgewright.gq.search.shapes import shape_of
from edgewright.ir import operator_name

_SCALE_BYTES = 4


def cost(module: GraphModule, node: Node, plan: Quantized | None) -> float:
    """Bytes of the weight of `node`; 0 for an operator without one."""
    weight = weight_of(node) if takes_weight(operator_name(node.target)) else None
    if weight is None:
        return 0.0
    shape = shape_of(weight)
    elements = 1
    for size in shape:
        elements *= size
    scheme = plan.scheme.weights if plan is not None else None
    if scheme is None:
        return elements * FLOAT_BITS / 8
    scales = {"tensor": 1, "channel": shape[0], "group": elements // (scheme.group or 1)}[scheme.granularity]
    return elements * scheme.bits / 8 + scales * (_SCALE_BYTES if scheme.symmetric else _SCALE_BYTES + 1)

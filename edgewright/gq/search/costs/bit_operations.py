"""Bit operations: multiplications x bits of the weight x bits of the activation.

Van Baalen et al. 2020, Bayesian Bits, arXiv:2005.07093, section 4 (BOPs). What multiplies nothing counts one
operation an output element.
"""

from math import prod

from torch.fx import GraphModule, Node

from edgewright.gq.annotate import Quantized
from edgewright.gq.operators import channel_axis, takes_weight, weight_of
from edgewright.gq.search.costs import FLOAT_BITS
from edgewright.gq.search.shapes import shape_of
from edgewright.ir import operator_name


def cost(module: GraphModule, node: Node, plan: Quantized | None) -> float:
    """Bit operations of `node` for one sample."""
    outputs = prod(shape_of(node)[1:])
    weights, activations = (None, None) if plan is None else (plan.scheme.weights, plan.scheme.activations)
    read = FLOAT_BITS if activations is None else activations.bits
    weight = weight_of(node) if takes_weight(operator_name(node.target)) else None
    if weight is None:
        return float(outputs * read)
    shape = shape_of(weight)
    multiplications = outputs * prod(shape) // shape[channel_axis(node) or 0]
    return float(multiplications * (FLOAT_BITS if weights is None else weights.bits) * read)

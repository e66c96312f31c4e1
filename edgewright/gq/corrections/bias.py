"""Bias correction: quantization shifts the mean of an operator's output; the bias takes the shift back.

    b = E[y] - E[Q(W) x],    y what the float program gives, x the quantized input

on the calibration sample, so that what the operators before have done to the mean is taken back too. Nagel et al.
2019, arXiv:1906.04721, section 4.2 and appendix D.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.fx import Node

from edgewright.gq.annotate import Quantized
from edgewright.gq.constants import Constants
from edgewright.gq.integers import origin
from edgewright.gq.lockstep import Meeting
from edgewright.gq.moments import apply, by_channel
from edgewright.gq.operators import bias_of, weight_of


def adjust(constants: Constants, meeting: Meeting) -> bool:
    """Set the bias; False where there is none.

    The operator is linear, so the expectation is its value on the mean input: borders and strides are exact.
    """
    if constants.bias is None:
        return False
    node = constants.node
    given = by_channel(node, apply(node, mean(meeting.inputs), constants.dequantized())).mean(1)
    constants.bias.copy_(channel_means(node, meeting.outputs) - given)
    return True


def mean(batches: Sequence[Tensor]) -> Tensor:
    """Mean over the sample, float64 [1, ...]; the sum runs in the order of the batches."""
    total, count = torch.zeros(()), 0
    for batch in batches:
        total, count = total + batch.double().sum(0, keepdim=True), count + len(batch)
    return total / count


def channel_means(node: Node, batches: Sequence[Tensor]) -> Tensor:
    """Mean of each channel of an operator's outputs, float64 [out]."""
    return by_channel(node, mean(batches)).mean(1)


def correctable(plans: Iterable[Quantized]) -> dict[Node, Node]:
    """Static operators with a constant bias whose weight is rounded here, and the tensor that each multiplies."""
    found = {}
    for plan in plans:
        source, weight, bias = plan.node.args[0], weight_of(plan.node), bias_of(plan.node)
        is_rounded = weight is not None and origin(weight) is None
        if plan.is_static and is_rounded and bias is not None and bias.op == "get_attr" and isinstance(source, Node):
            found[plan.node] = source
    return found


def shift(node: Node, error: Tensor, mean: Tensor) -> Tensor:
    """E[(W - Q(W)) x] of each output channel, float64 [out].

    Args:
        node: an operator that takes a weight.
        error: float64, W - Q(W) in the shape of the weight.
        mean: float64 mean of its input, [1, ...].
    """
    return by_channel(node, apply(node, mean, error)).mean(1)

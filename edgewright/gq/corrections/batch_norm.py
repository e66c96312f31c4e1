"""Re-estimated batch norm: each channel of an operator's output gets the mean and the variance of the float program.

A batch norm that was folded into an operator before it came here normalized by the float program's statistics; the
quantized operator has others. With m and v the mean and variance of a channel over the calibration sample,

    scale <- scale g,    b <- m(y) - g m(Q(W) x),    g = sqrt(v(y) / v(Q(W) x)) within 0.5 to 2

y what the float program gives, x the quantized input. Integers stay; the gain lies in the scale of the channel's
weights.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.fx import Node

from edgewright.gq.constants import Constants
from edgewright.gq.lockstep import Meeting
from edgewright.gq.moments import apply, by_channel
from edgewright.parallel import ordered_map
from edgewright.rounding import QuantizedWeight

_LEAST, _MOST = 0.5, 2.0


def adjust(constants: Constants, meeting: Meeting) -> bool:
    """Set scales and bias; False without a bias, or where the scale is not to be moved."""
    scale, bias, node = constants.scale, constants.bias, constants.node
    if scale is None or bias is None or constants.keeps_scale or constants.grid.power_of_two:
        return False
    weight = constants.dequantized().float()
    wanted, wanted_variance = _statistics(node, meeting.outputs)
    means, variance = _statistics(node, ordered_map(lambda value: apply(node, value, weight), meeting.inputs))
    known = (variance > 0) & (wanted_variance > 0)
    gain = torch.where(known, (wanted_variance / variance).sqrt().clamp(_LEAST, _MOST), 1.0)
    before = constants.matrix()
    constants.write(QuantizedWeight(before.integers, before.scale * gain.unsqueeze(1), before.zero_point, before.grid))
    # A scale that is too small for integer arithmetic was not moved.
    moved = (constants.matrix().scale / before.scale)[:, 0]
    bias.copy_(wanted - moved * means)
    return True


def _statistics(node: Node, outputs: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel, float64 [out]; sums run in the order of the batches."""
    total, square, count = torch.zeros(()), torch.zeros(()), 0
    for output in outputs:
        channels = by_channel(node, output).double()
        total, square, count = total + channels.sum(1), square + channels.square().sum(1), count + channels.shape[1]
    means = total / count
    return means, (square / count - means.square()).clamp(min=0)

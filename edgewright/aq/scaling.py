"""What transforms that scale pairs share: the walk over the pairs of a block, and magnitudes by channel."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edgewright.aq.block import Block
from edgewright.aq.contract import Applied, Skipped
from edgewright.aq.structure import Consumer, Pair
from edgewright.models.quantized import QuantizedModule

Factors = Callable[[Pair, Sequence[Consumer]], Tensor]
"""What a pair's producer is divided by, [channels], given those of its consumers that are quantized."""


def scale_pairs(block: Block, layers: Sequence[str], factors: Factors) -> Applied:
    """Scale the pairs of a block whose quantized consumers are all among `layers`, each layer once."""
    wanted, done = set(layers), set[str]()
    skipped = {name: block.structure.unpaired.get(name, "its producer is not quantized with it") for name in layers}
    uncalled = [name for name in block.layers if name not in block.structure.order]
    if uncalled:
        # It may read what the sample that was traced did not bring to it.
        reason = f"{uncalled[0]} of the same part was not called when the structure was traced"
        return Applied((), tuple(Skipped(name, reason) for name in layers))
    for pair in block.structure.pairs:
        members = (pair.producer, *(item.layer for item in pair.consumers))
        if any(isinstance(_module(block, name), QuantizedModule) for name in members):
            continue
        consumers = [item for item in pair.consumers if item.layer in block.layers]
        others = [item.layer for item in consumers if item.layer not in wanted]
        names = [item.layer for item in consumers if item.layer in wanted]
        if others:
            skipped |= dict.fromkeys(names, f"{others[0]}, which reads the same input, takes other algorithms")
        elif names and done.isdisjoint(names):
            pair.scale(factors(pair, consumers), block.model)
            done |= set(names)
    if done:
        block.changed()
    left = (Skipped(name, reason) for name, reason in skipped.items() if name not in done)
    return Applied(tuple(name for name in layers if name in done), tuple(left))


def _module(block: Block, name: str) -> object:
    try:
        return block.model.get_submodule(name)
    except AttributeError:  # the parameter of a norm
        return None


def mean_by_channel(magnitude: Tensor, pair: Pair, consumer: Consumer) -> Tensor:
    """Mean over the input channels [in] of a consumer that each channel of the producer reaches, [channels]."""
    magnitude, (reached, index) = magnitude.cpu(), _reached(consumer)
    sums = magnitude.new_zeros(pair.channels).index_add_(0, index, magnitude[reached])
    counts = magnitude.new_zeros(pair.channels).index_add_(0, index, torch.ones_like(magnitude[reached]))
    return sums / counts.clamp(min=1)


def max_by_channel(magnitude: Tensor, pair: Pair, consumer: Consumer) -> Tensor:
    """Largest over the input channels [in] of a consumer that each channel of the producer reaches, [channels]."""
    magnitude, (reached, index) = magnitude.cpu(), _reached(consumer)
    return magnitude.new_zeros(pair.channels).scatter_reduce_(0, index, magnitude[reached], "amax")


def _reached(consumer: Consumer) -> tuple[Tensor, Tensor]:
    reached = consumer.channels >= 0
    return reached, consumer.channels[reached]

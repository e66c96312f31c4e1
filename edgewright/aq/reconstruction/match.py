"""The squared error between what a block gives with trial weights and what it should give."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgewright.aq.block import Block
from edgewright.aq.failure import LayerError
from edgewright.aq.observe import observed
from edgewright.aq.reconstruction.minibatches import Piece
from edgewright.parallel import ordered_map


class Match:
    """A block whose layers have trial weights, and the outputs that it should give.

    Attributes:
        weights: the trial weight of each layer, in the shape and dtype of its own; to be written into.
        sizes: samples of each calibration batch.
    """

    def __init__(self, block: Block, layers: Sequence[str], targets: Sequence[Tensor], piece: int) -> None:
        """Look at `piece` samples at a time: what a block computes for them is held for each core."""
        self.block, self.layers, self._targets = block, tuple(layers), targets
        self.weights: Mapping[str, nn.Parameter] = {
            name: nn.Parameter(block.layers[name].weight.clone(memory_format=torch.contiguous_format))
            for name in layers
        }
        first = targets[0]
        self.sizes = [len(targets[index]) for index in range(block.batches)]
        self._pieces: list[Piece] = [
            (index, rows) for index, size in enumerate(self.sizes) for rows in torch.arange(size).split(piece)
        ]
        self._elements: int = sum(self.sizes) * (first.numel() // max(1, len(first)))

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Inside, the layers have the trial weights."""
        modules = {name: self.block.layers[name].module for name in self.layers}
        # Another parameter and not other data: an embedding may be tied to the layer.
        own = {name: module._parameters["weight"] for name, module in modules.items()}
        try:
            for name, module in modules.items():
                module._parameters["weight"] = self.weights[name]
            yield
        finally:
            for name, module in modules.items():
                module._parameters["weight"] = own[name]

    def error(self) -> float:
        """Mean squared error of the block's outputs over the whole calibration sample.

        Raises:
            LayerError: it is not finite.
        """

        def squared(piece: Piece) -> float:
            return float(self._squared(piece))

        with self.trial():
            total = math.fsum(ordered_map(squared, self._pieces))
            self._check(total)
        return total / self._elements

    def gradients(self, pieces: Sequence[Piece]) -> dict[str, Tensor]:
        """Gradient of the squared error of some samples with respect to each trial weight; its length has no meaning.

        Raises:
            LayerError: it is not finite.
        """
        weights = list(self.weights.values())

        def backward(piece: Piece) -> tuple[float, tuple[Tensor | None, ...]]:
            with torch.enable_grad():
                loss = self._squared(piece)
                return float(loss.detach()), torch.autograd.grad(loss, weights, allow_unused=True)

        total = 0.0
        sums = [torch.zeros((), dtype=weight.dtype, device=weight.device) for weight in weights]
        with self.trial():
            for loss, gradients in ordered_map(backward, pieces):
                total += loss
                for index, gradient in enumerate(gradients):
                    if gradient is not None:
                        sums[index] = gradient if sums[index].ndim == 0 else sums[index].add_(gradient)
            self._check(total)
        pairs = zip(self.layers, sums, weights, strict=True)
        return {name: total if total.ndim else torch.zeros_like(weight) for name, total, weight in pairs}

    def _squared(self, piece: Piece) -> Tensor:
        batch, rows = piece
        output = self.block.run(batch, rows)
        return (output - self._targets[batch][rows].to(output.device)).square().sum()

    def _check(self, total: float) -> None:
        if math.isfinite(total):
            return
        outputs: dict[str, bool] = {}

        def after(name: str, output: Tensor) -> None:
            outputs[name] = outputs.get(name, True) and bool(torch.isfinite(output).all())

        with observed({name: self.block.layers[name].module for name in self.layers}, lambda *_: None, after):
            for batch in range(self.block.batches):
                self.block.run(batch)
        culprit = next((name for name, is_finite in outputs.items() if not is_finite), self.layers[0])
        raise LayerError(
            culprit,
            "the output error of its block is NaN or infinite while its rounding is trained; "
            "give it more bits, or another algorithm under layers",
        )

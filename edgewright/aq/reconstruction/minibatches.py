"""The order in which samples are seen."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

Piece = tuple[int, Tensor]
"""A calibration batch and some rows (int64 [n]) of it."""


def minibatches(sizes: Sequence[int], batch: int, piece: int, seed: int) -> Iterator[tuple[Piece, ...]]:
    """Mini-batches without end: every sample is seen once before one is seen again, in an order drawn anew each time.

    A mini-batch consists of pieces, which can run at the same time; a piece lies in one calibration batch.

    Args:
        sizes: samples of each calibration batch.
        batch: samples of a mini-batch; fewer where the last pieces of a calibration batch are smaller.
        piece: samples of a piece at most: the largest number up to it that divides `batch`.
        seed: decides the order.
    """
    generator = torch.Generator().manual_seed(seed)
    piece = max(size for size in range(1, min(piece, batch) + 1) if batch % size == 0)
    at_once = batch // piece
    waiting: list[Piece] = []
    while True:
        while len(waiting) < at_once:
            drawn = [
                (index, rows)
                for index, size in enumerate(sizes)
                for rows in torch.randperm(size, generator=generator).split(piece)
            ]
            waiting += [drawn[index] for index in torch.randperm(len(drawn), generator=generator).tolist()]
        yield tuple(waiting[:at_once])
        del waiting[:at_once]

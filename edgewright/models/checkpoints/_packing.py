"""Unsigned integers of few bits in 32-bit words, the first in the lowest bits, across the borders of words."""

import torch
from torch import Tensor
from torch.nn import functional

_WORD = 32


def pack(values: Tensor, bits: int) -> Tensor:
    """[rows, n] of integers from 0 to 2^bits - 1 -> int32 [rows, ceil(n bits / 32)].

    32 values fill `bits` words; at 2, 4 and 8 bits none lies across a border.
    """
    rows, count = values.shape
    blocks = functional.pad(values.to(torch.int32), (0, -count % _WORD)).reshape(rows, -1, _WORD)
    words = torch.zeros(rows, blocks.shape[1], bits, dtype=torch.int32)
    for index in range(_WORD):
        word, offset = divmod(index * bits, _WORD)
        words[..., word] |= blocks[..., index] << offset
        if offset + bits > _WORD:
            words[..., word + 1] |= blocks[..., index] >> (_WORD - offset)
    return words.reshape(rows, -1)[:, : -(-count * bits // _WORD)].contiguous()


def unpack(words: Tensor, bits: int, count: int) -> Tensor:
    """The inverse of `pack`: int32 [rows, words] -> int32 [rows, count]."""
    rows = words.shape[0]
    blocks = functional.pad(words, (0, -words.shape[1] % bits)).reshape(rows, -1, bits)
    values = torch.empty(rows, blocks.shape[1], _WORD, dtype=torch.int32)
    mask = (1 << bits) - 1
    for index in range(_WORD):
        word, offset = divmod(index * bits, _WORD)
        known = _WORD - offset
        value = blocks[..., word] >> offset
        if known < bits:
            value = (value & ((1 << known) - 1)) | (blocks[..., word + 1] << known)
        values[..., index] = value & mask
    return values.reshape(rows, -1)[:, :count]


def unpack_whole(words: Tensor, bits: int, count: int) -> Tensor:
    """Like `unpack` where no value lies across a border: 32 // bits of them in a word."""
    shifts = torch.arange(_WORD // bits, dtype=torch.int32) * bits
    values = (words.unsqueeze(-1) >> shifts) & ((1 << bits) - 1)
    return values.reshape(words.shape[0], -1)[:, :count]

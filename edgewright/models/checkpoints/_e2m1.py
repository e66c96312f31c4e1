"""Weights of the format MXFP4 as bytes: two E2M1 elements in each, and a biased exponent for each block.

OCP Microscaling Formats (MX) Specification 1.0, sections 5.2 to 5.4. The integers of the grid are twice the elements,
its scale half of the block's, so that both are exact.
"""

import torch
from torch import Tensor

_LEVELS = (0, 1, 2, 3, 4, 6, 8, 12)
_SIGN, _BIAS = 8, 127


def pack(integers: Tensor) -> Tensor:
    """int8 [out, in] of the levels and their negatives -> uint8 [out, in / 2], the first in the lower half."""
    codes = torch.searchsorted(torch.tensor(_LEVELS, dtype=torch.int8), integers.abs().contiguous())
    codes = codes.to(torch.uint8) | ((integers < 0).to(torch.uint8) * _SIGN)
    return codes[:, ::2] | (codes[:, 1::2] << 4)


def unpack(packed: Tensor) -> Tensor:
    """The inverse of `pack`; a negative zero becomes 0."""
    codes = torch.stack((packed & 15, packed >> 4), -1).flatten(1).to(torch.int64)
    table = torch.tensor((*_LEVELS, *(-level for level in _LEVELS)), dtype=torch.int8)
    return table[codes]


def exponents(scale: Tensor) -> Tensor:
    """Scales of the grid, powers of two, -> uint8 E8M0 scales of the blocks."""
    return (torch.frexp(2 * scale).exponent - 1 + _BIAS).to(torch.uint8)


def scales(exponent: Tensor) -> Tensor:
    """The inverse of `exponents`: float32."""
    return torch.pow(2.0, exponent.to(torch.float32) - (_BIAS + 1))

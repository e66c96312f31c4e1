"""Squared error of a layer's outputs from the Hessian of its inputs."""

import torch
from torch import Tensor

_BLOCK = 256


def row_errors(difference: Tensor, hessian: Tensor) -> Tensor:
    """d H d^T for each row d of `difference` [..., rows, columns], from the lower half of H: [..., rows].

    `hessian` is [..., columns, columns], symmetric; leading dimensions broadcast.
    """
    total = difference.new_zeros(())
    for start in range(0, difference.shape[-1], _BLOCK):
        own = difference[..., start : start + _BLOCK]
        below, tile = hessian[..., start + _BLOCK :, start : start + _BLOCK], slice(start, start + _BLOCK)
        product = torch.matmul(own, hessian[..., tile, tile])
        if below.shape[-2]:
            product += torch.matmul(difference[..., start + _BLOCK :], below).mul_(2)
        total = total + product.mul_(own).sum(-1)
    return total

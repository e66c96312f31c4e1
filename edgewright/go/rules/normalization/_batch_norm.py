"""Batch normalization in evaluation as a scale and a shift per channel."""

from typing import Any

import torch


def affine(
    gamma: torch.Tensor | None, beta: torch.Tensor | None, mean: torch.Tensor, var: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale gamma / sqrt(var + eps) and shift beta - mean scale, each [channels] (Ioffe and Szegedy 2015, alg. 2)."""
    scale = torch.rsqrt(var + eps) if gamma is None else gamma * torch.rsqrt(var + eps)
    shift = -mean * scale if beta is None else beta - mean * scale
    return scale, shift


def channels(values: torch.Tensor, rank: int) -> torch.Tensor:
    """`values` [channels] as [channels, 1, ...] with `rank` dimensions."""
    return values.reshape(-1, *[1] * (rank - 1))


def plus(bias: Any, shift: torch.Tensor) -> torch.Tensor:
    """`shift` with the bias, if there is one."""
    return shift if bias is None else bias + shift


def warmed(module: torch.nn.Module) -> torch.nn.Module:
    """`module` in evaluation, its normalizations with statistics and weights that are not the defaults."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
            for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                if values is not None:
                    values.data.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return module.eval()

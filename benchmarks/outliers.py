"""Plant outlier channels in a Llama-like model without changing its function, as large models have them.

A few channels of each norm's gain are scaled up and the columns of the layers that read them down by the same
factor; likewise the values of attention and the output projection, with `values=True`. The factors are powers of
two, so that every product stays exact.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def plant(module: Any, *, seed: int, channels: int = 2, factor: float = 64.0, values: bool = False) -> None:
    """Scale `channels` channels of each norm by `factor`.

    Args:
        module: a causal language model of transformers with the names of Llama; changed in place.
        seed: decides which channels.
        channels: of each norm, and with `values` of each value head.
        factor: a power of two; the next such number is taken.
        values: plant in the values of attention too.
    """
    generator = torch.Generator().manual_seed(seed)
    scale = float(2 ** round(torch.tensor(factor).log2().item()))
    with torch.no_grad():
        for layer in module.model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            readers = (attention.q_proj, attention.k_proj, attention.v_proj)
            _norm(layer.input_layernorm, readers, _draw(layer.input_layernorm.weight, channels, generator), scale)
            chosen = _draw(layer.post_attention_layernorm.weight, channels, generator)
            _norm(layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj), chosen, scale)
            if values:
                _values(attention, channels, scale, generator)


def _draw(weight: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(weight), generator=generator)[:channels]


def _norm(norm: nn.Module, readers: Sequence[nn.Linear], chosen: Tensor, scale: float) -> None:
    weight = norm.weight
    assert isinstance(weight, Tensor)
    weight[chosen] *= scale
    for reader in readers:
        reader.weight[:, chosen] /= scale


def _values(attention: Any, channels: int, scale: float, generator: torch.Generator) -> None:
    size = attention.head_dim
    groups = attention.num_key_value_groups
    rows = attention.v_proj.weight
    for head in range(rows.shape[0] // size):
        chosen = torch.randperm(size, generator=generator)[:channels]
        rows[head * size + chosen] *= scale
        if attention.v_proj.bias is not None:
            attention.v_proj.bias[head * size + chosen] *= scale
        for query in range(head * groups, (head + 1) * groups):
            attention.o_proj.weight[:, query * size + chosen] /= scale

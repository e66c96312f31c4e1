"""Randomly initialised networks that the shipped models do not stand for: MobileNetV2, ViT-tiny, a Conformer block."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InvertedResidual(nn.Module):
    """Pointwise, depthwise, pointwise convolution with a residual (Sandler et al. 2018, arXiv:1801.04381, figure 4)."""

    def __init__(self, columns: int, rows: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = columns * expand
        steps = [] if expand == 1 else [*_conv(columns, hidden, 1), nn.ReLU6()]
        depthwise = [*_conv(hidden, hidden, 3, stride, hidden), nn.ReLU6()]
        self.body = nn.Sequential(*steps, *depthwise, *_conv(hidden, rows, 1))
        self.is_residual = stride == 1 and columns == rows

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.body(x))
        return x + y if self.is_residual else y


def _conv(columns: int, rows: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(columns, rows, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(rows)]


class MobileNetV2(nn.Module):
    """Table 2 of arXiv:1801.04381, 1,000 classes."""

    _STAGES = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_conv(3, 32, 3, 2), nn.ReLU6()]
        columns = 32
        for expand, rows, count, stride in self._STAGES:
            for index in range(count):
                layers.append(InvertedResidual(columns, rows, stride if index == 0 else 1, expand))
                columns = rows
        self.features = nn.Sequential(*layers, *_conv(columns, 1280, 1), nn.ReLU6())
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.classifier(self.features(x).mean((2, 3))))


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (layer(x).view(batch, tokens, self.heads, -1).transpose(1, 2)
                   for layer in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v)
        return cast(Tensor, self.out(y.transpose(1, 2).reshape(batch, tokens, width)))


class FeedForward(nn.Sequential):
    """LayerNorm and two linears."""

    def __init__(self, width: int, hidden: int, activation: nn.Module) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, hidden), activation, nn.Linear(hidden, width))


class ViTTiny(nn.Module):
    """ViT-Ti of Touvron et al. 2021 (arXiv:2012.12877, table 1) on images of 64 x 64 in patches of 8."""

    def __init__(self) -> None:
        super().__init__()
        width = 192
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, 65, width) * 0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(12))
        self.attention = nn.ModuleList(Attention(width, 3) for _ in range(12))
        self.mlp = nn.ModuleList(FeedForward(width, 768, nn.GELU()) for _ in range(12))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1) + self.position
        for norm, attention, mlp in zip(self.norms, self.attention, self.mlp, strict=True):
            y = y + attention(norm(y))
            y = y + mlp(y)
        return cast(Tensor, self.head(self.norm(y)[:, 0]))


class ConformerBlock(nn.Module):
    """Figure 1 of Gulati et al. 2020 (arXiv:2005.08100), size S, without relative positions."""

    def __init__(self) -> None:
        super().__init__()
        width = 144
        self.first, self.second = (FeedForward(width, 4 * width, nn.SiLU()) for _ in range(2))
        self.norm_attention, self.norm_convolution, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, 4)
        self.expand, self.project = nn.Conv1d(width, 2 * width, 1), nn.Conv1d(width, width, 1)
        self.depthwise = nn.Conv1d(width, width, 31, padding=15, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.first(x)
        x = x + self.attention(self.norm_attention(x))
        y = F.glu(self.expand(self.norm_convolution(x).transpose(1, 2)), 1)
        y = self.project(F.silu(self.batch_norm(self.depthwise(y)))).transpose(1, 2)
        x = x + y
        return cast(Tensor, self.norm(x + 0.5 * self.second(x)))


NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mobilenet_v2": (MobileNetV2, (3, 96, 96)),
    "vit_tiny": (ViTTiny, (3, 64, 64)),
    "conformer": (ConformerBlock, (64, 144)),
}
"""Class and shape of an input."""


def make(name: str) -> nn.Module:
    """A network with random weights, and batch norms as if they had seen data."""
    torch.manual_seed(0)
    network = NETWORKS[name][0]().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            found: Any = module
            nn.init.uniform_(found.running_var, 0.5, 1.5)
            nn.init.normal_(found.running_mean, 0.0, 0.1)
    return network

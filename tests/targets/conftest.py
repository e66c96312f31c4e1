"""A small quantized network with a residual, a padded convolution and a global pool, and its compiled artifacts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional as F

from edgewright import ir, targets

DEVICES = ("xnnpack", "onnxruntime", "openvino", "ethos-u55-128", "ethos-u65-256", "ethos-u85-256")
"""One of each toolchain and generation."""


def pair(value: Tensor, scale: float, zero_point: int) -> Tensor:
    decomposed = torch.ops.quantized_decomposed
    integers = decomposed.quantize_per_tensor(value, scale, zero_point, -128, 127, torch.int8)
    return decomposed.dequantize_per_tensor(integers, scale, zero_point, -128, 127, torch.int8)


class Layer(nn.Module):
    """A convolution or linear with int8 weights per channel."""

    def __init__(self, shape: tuple[int, ...], stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        weight = torch.randn(shape) * 0.15
        scale = weight.flatten(1).abs().amax(1) / 127
        integers = (weight.flatten(1) / scale[:, None]).round().view(shape).to(torch.int8)
        self.register_buffer("weight", integers)
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", torch.zeros(shape[0], dtype=torch.int64))
        self.register_buffer("bias", torch.randn(shape[0]))
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.ops.quantized_decomposed.dequantize_per_channel(
            self.weight, self.scale, self.zero_point, 0, -127, 127, torch.int8
        )
        if self.weight.dim() == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Layer((8, 3, 3, 3), padding=1)
        self.second = Layer((8, 8, 3, 3), padding=1)
        self.third = Layer((16, 8, 3, 3), stride=2)
        self.head = Layer((10, 16))

    def forward(self, x: Tensor) -> Tensor:
        a = pair(torch.relu(self.first(pair(x, 0.03, 0))), 0.04, -128)
        b = pair(torch.relu(a + pair(self.second(a), 0.05, 3)), 0.05, -128)
        c = pair(F.pad(b, (0, 1, 0, 1)), 0.05, -128)
        d = pair(torch.relu(self.third(c)), 0.06, -128)
        e = pair(d.mean((2, 3), keepdim=True), 0.01, -128)
        f = pair(torch.flatten(e, 1), 0.01, -128)
        return pair(self.head(f), 0.04, 5)


@pytest.fixture(scope="session")
def network() -> torch.export.ExportedProgram:
    ir.register()
    torch.manual_seed(0)
    with torch.no_grad():
        return torch.export.export(
            Network().eval(), (torch.zeros(2, 3, 12, 12),), dynamic_shapes=({0: Dim("batch", min=1)},)
        )


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 3, 12, 12)).astype(np.float32)


@pytest.fixture(scope="session")
def compiled(
    network: torch.export.ExportedProgram, image: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of the network's artifact for a target; each is compiled once."""
    folders: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in folders:
            target = targets.load(name)
            adapter = targets.adapter(target)
            folders[name] = tmp_path_factory.mktemp(name) / "artifact"
            adapter.compile(network, target, folders[name], batch_inputs=(image,))
        return folders[name]

    return folder

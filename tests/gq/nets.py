"""Small programs and samples that the tests of gq share."""

import io

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn

from edgewright import ir
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Sample
from tests.support import SAMPLES

W8A8 = {"weights": {"bits": 8}, "activations": {"bits": 8, "calibration": {"method": "minmax"}}}
W8_DYNAMIC = {"weights": {"bits": 8}, "activations": {"bits": 8, "mode": "dynamic"}}
W4_DYNAMIC = {
    "weights": {"bits": 4, "granularity": "group", "group": 32},
    "activations": {"bits": 8, "mode": "dynamic"},
}


def scheme(values=W8A8, **changes):
    return GqScheme.model_validate({**values, **changes})


class Small(nn.Module):
    """Every kind of place where a pair stands or does not: padding, fused ReLU, residual sum, mean, flatten."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = torch.relu(self.conv1(x))
        z = self.conv2(torch.nn.functional.pad(y, (1, 1, 1, 1)))
        return self.head(torch.relu(y + z).mean((2, 3), keepdim=True).flatten(1))


def program_of(net, *shape, dtype=torch.float32):
    return ir.export(net.eval(), [(shape, dtype)])


def small(seed=0):
    torch.manual_seed(seed)
    return program_of(Small(), 3, 8, 8)


def sample_of(array, name="x"):
    return Sample(inputs={name: array})


def noise(count=12, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *(shape or (3, 8, 8)))).astype(np.float32)


def run(program, array):
    with torch.no_grad():
        return ir.unlift(program)(torch.from_numpy(array))


def operators(program):
    """Names of the operators of a program, in order."""
    return [ir.operator_name(node.target) for node in program.graph.nodes if node.op == "call_function"]


def nodes(module, op):
    """The nodes of an operator."""
    return [n for n in module.graph.nodes if n.op == "call_function" and ir.operator_name(n.target) == op]


def cifar(split, count):
    """Images [count, 3, 32, 32] of 0..255 and their labels."""
    table = pq.read_table(SAMPLES / f"cifar10_{split}.parquet").slice(0, count).to_pydict()
    pixels = [np.asarray(Image.open(io.BytesIO(item["bytes"])).convert("RGB")) for item in table["image"]]
    return np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32), np.array(table["label"])

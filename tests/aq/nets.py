"""Small random architectures, and what the tests of weight quantization do with them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.aq.block import Block
from edgewright.aq.selection import select
from edgewright.aq.statistics import Statistic
from edgewright.aq.structure import trace
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.models.load import LoadedModel
from edgewright.models.spec import InputSpec, ModelSpec
from tests.aq.architectures import ARCHITECTURES

WIDTH = 24


class Logits(nn.Module):
    """A causal language model of transformers that returns its logits; the model keeps its own names."""

    def __init__(self, **fields: object) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {
            "vocab_size": 48, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32,
        }
        self.net = LlamaForCausalLM(LlamaConfig(**{**sizes, **fields}))

    def forward(self, ids: Tensor) -> Tensor:
        return self.net(input_ids=ids, use_cache=False).logits


class Offset(nn.Module):
    """RMS normalization that multiplies by 1 + weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1.0 + self.weight)


class Attention(nn.Module):
    """LayerNorm block with one fused projection for query, key and value, and a two-layer MLP with GELU."""

    def __init__(self, norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(), norm()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        batch, length, _ = x.shape
        query, key, value = (
            part.view(batch, length, 4, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, length, -1))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x)))), None


class Decoder(nn.Module):
    """A GPT-2-like model whose blocks return tuples."""

    def __init__(self, norm: Callable[[], nn.Module] = lambda: nn.LayerNorm(WIDTH)) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, WIDTH)
        self.blocks = nn.ModuleList(Attention(norm) for _ in range(2))
        self.norm = norm()
        self.head = nn.Linear(WIDTH, 40)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)[0]
        return self.head(self.norm(x))


class Skips(Decoder):
    """Blocks whose outputs are all read by the head too."""

    def forward(self, ids: Tensor) -> Tensor:
        states = [self.embed(ids)]
        for block in self.blocks:
            x, _ = block(states[-1])
            states.append(x)
        return self.head(self.norm(torch.stack(states[1:]).sum(0)))


class Unpacked(Decoder):
    """Blocks that return a pair, which is unpacked."""

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x, _ = block(x)
        return self.head(self.norm(x))


class FusedGate(nn.Module):
    """A gated MLP with one projection for gate and up."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(WIDTH)
        self.gate_up, self.down = nn.Linear(WIDTH, 80), nn.Linear(40, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(self.norm(x)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class Cnn(nn.Module):
    """Batch norms, a depthwise and a grouped convolution, pooling, a padded stride and a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding="same", groups=8)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.grouped = nn.Conv2d(12, 12, 3, stride=2, groups=2)
        self.bn2 = nn.BatchNorm2d(12)
        self.head = nn.Linear(12 * 4, 5)
        for norm in (self.bn1, self.bn2):
            nn.init.uniform_(norm.weight, 0.5, 2.0)
            nn.init.normal_(norm.bias)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.pointwise(self.depthwise(x)))
        x = self.grouped(functional.pad(x, (0, 1, 0, 1)))
        x = functional.max_pool2d(functional.relu_(self.bn2(x)), 2)
        return self.head(x.flatten(1))


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them and a bias on each."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 12), nn.LeakyReLU(0.1), nn.Linear(12, 4))


def _ids(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 40, (20, 12))


def _images(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((20, 3, 8, 8)).astype(np.float32)


def _tokens(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((20, 6, WIDTH)).astype(np.float32)


def _rows(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((20, 10)).astype(np.float32)


NETS: dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], np.ndarray]]] = {
    "llama": (Logits, _ids),
    "llama-tied": (lambda: Logits(tie_word_embeddings=True), _ids),
    "llama-bias": (lambda: Logits(attention_bias=True, mlp_bias=True, num_key_value_heads=4), _ids),
    "layer-norm": (Decoder, _ids),
    "offset-norm": (lambda: Decoder(Offset), _ids),
    "skips": (Skips, _ids),
    "unpacked": (Unpacked, _ids),
    "fused-gate": (FusedGate, _tokens),
    "cnn": (Cnn, _images),
    "mlp": (Mlp, _rows),
}


def make(name: str, seed: int = 0) -> tuple[LoadedModel, Sample]:
    """A random model with a few large input channels, and a sample for it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    build, draw = {**NETS, **ARCHITECTURES}[name]
    module = build().eval().requires_grad_(False)
    for path, parameter in module.named_parameters():
        if parameter.ndim == 1 and "norm" in path and path.endswith("weight"):
            parameter[:3] = torch.tensor([9.0, 5.0, 14.0])
    inputs = draw(rng)
    spec = ModelSpec("factory", "regression", (InputSpec("x", inputs.shape[1:], str(inputs.dtype)),), 0)
    return LoadedModel(module, spec, None), Sample({"x": inputs})


def whole(model: LoadedModel, sample: Sample, recipe: AqRecipe) -> Block:
    """The whole model as one block with all statistics, as the driver makes it for a model without blocks."""
    module = model.module
    dtype = next(module.parameters()).dtype
    data = [torch.from_numpy(array) for array in next(sample.batches(len(sample)))]
    batch = tuple(item.to(dtype) if item.is_floating_point() else item for item in data)
    layers = select(module, recipe).layers
    structure = trace(module, lambda: module(*(item[:1] for item in batch)))

    def run(_: int, rows: Tensor | None = None) -> Tensor:
        return module(*(batch if rows is None else (item[rows] for item in batch)))

    return Block("", module, layers, structure, run, 1, frozenset(Statistic))


def outputs(model: LoadedModel, sample: Sample) -> Tensor:
    """What the model gives for the whole sample."""
    dtype = next(iter(model.module.parameters())).dtype
    data = [torch.from_numpy(array) for array in next(sample.batches(len(sample)))]
    with torch.no_grad():
        return model.module(*(item.to(dtype) if item.is_floating_point() else item for item in data))


def relative(one: Tensor, other: Tensor) -> float:
    """Largest difference over the largest magnitude."""
    return float((one - other).abs().max() / other.abs().max())

"""Structure is found in how a model runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.aq.structure import trace
from tests.aq.architectures import ARCHITECTURES
from tests.aq.nets import make


def _trace(name):
    model, sample = make(name)
    inputs = next(sample.batches(1))
    return trace(model.module, lambda: model.module(*(torch.from_numpy(item) for item in inputs)))


def _pairs(structure):
    return {pair.producer: [item.layer for item in pair.consumers] for pair in structure.pairs}


def test_llama():
    structure = _trace("llama")
    layer = "net.model.layers.1"
    expected = {
        f"{layer}.input_layernorm.weight": [f"{layer}.self_attn.{name}_proj" for name in "qkv"],
        f"{layer}.self_attn.v_proj": [f"{layer}.self_attn.o_proj"],
        f"{layer}.post_attention_layernorm.weight": [f"{layer}.mlp.gate_proj", f"{layer}.mlp.up_proj"],
        f"{layer}.mlp.up_proj": [f"{layer}.mlp.down_proj"],
    }
    pairs = _pairs(structure)
    assert {name: consumers for name, consumers in pairs.items() if name.startswith(layer)} == expected
    assert pairs["net.model.norm.weight"] == ["net.lm_head"]
    assert tuple(f"{layer}.self_attn.{name}_proj" for name in "qkv") in structure.shared
    assert structure.unpaired == {}


def test_grouped_query_attention_maps_heads_to_their_group():
    structure = _trace("llama")
    pair = next(item for item in structure.pairs if item.producer.endswith("layers.0.self_attn.v_proj"))
    first, second = torch.arange(8), torch.arange(8, 16)
    assert pair.consumers[0].channels.tolist() == torch.cat((first, first, second, second)).tolist()


def test_a_tied_head_has_no_pair():
    structure = _trace("llama-tied")
    assert "net.model.norm.weight" not in _pairs(structure)
    assert structure.unpaired == {"net.lm_head": "'embedding' uses its weight too"}


def test_fused_query_key_value_and_gelu():
    structure = _trace("layer-norm")
    assert _pairs(structure) == {
        "blocks.0.norm1.weight": ["blocks.0.qkv"], "blocks.0.qkv": ["blocks.0.proj"],
        "blocks.0.norm2.weight": ["blocks.0.fc1"], "blocks.1.norm1.weight": ["blocks.1.qkv"],
        "blocks.1.qkv": ["blocks.1.proj"], "blocks.1.norm2.weight": ["blocks.1.fc1"],
        "norm.weight": ["head"],
    }  # fmt: skip
    assert len(structure.pairs[0].parts) == 2
    assert structure.pairs[1].free.tolist() == [False] * 48 + [True] * 24
    assert structure.unpaired["blocks.0.fc2"] == "no norm or layer before it can take its scale"


def test_fused_gate_and_up():
    pairs = {pair.producer: pair for pair in _trace("fused-gate").pairs}
    assert [item.layer for item in pairs["gate_up"].consumers] == ["down"]
    assert pairs["gate_up"].free.tolist() == [False] * 40 + [True] * 40


def test_a_norm_that_multiplies_by_one_plus_its_weight():
    pair = next(item for item in _trace("offset-norm").pairs if item.producer == "norm.weight")
    assert [part.offset for part in pair.parts] == [1.0]


def test_cnn():
    structure = _trace("cnn")
    assert _pairs(structure) == {
        "bn1.weight": ["depthwise"], "depthwise": ["pointwise"], "pointwise": ["grouped"], "bn2.weight": ["head"],
    }  # fmt: skip
    head = structure.pairs[-1].consumers[0]
    assert head.channels.tolist() == [channel for channel in range(12) for _ in range(4)]


def test_mlp():
    assert _pairs(_trace("mlp")) == {"0": ["2"], "2": ["4"]}


@pytest.mark.parametrize(
    ("net", "layer", "expected"),
    [
        ("qwen2", "model.layers.0", {"input_layernorm.weight": "qkv", "self_attn.v_proj": "o", "mlp.up_proj": "down"}),
        ("qwen3", "model.layers.1", {"input_layernorm.weight": "qkv", "self_attn.v_proj": "o", "mlp.up_proj": "down"}),
        ("gemma2", "model.layers.0", {
            "input_layernorm.weight": "qkv", "pre_feedforward_layernorm.weight": "gate up", "mlp.up_proj": "down",
        }),
        ("phi", "model.layers.0", {"input_layernorm.weight": "qkv fc1", "self_attn.v_proj": "dense"}),
        ("opt", "model.decoder.layers.0", {"final_layer_norm.weight": "fc1", "fc1": "fc2"}),
        ("gpt-neox", "gpt_neox.layers.0", {
            "input_layernorm.weight": "query_key_value", "attention.query_key_value": "dense",
        }),
        ("gpt2", "transformer.h.0", {"ln_1.weight": "c_attn", "attn.c_attn": "c_proj", "ln_2.weight": "c_fc"}),
        ("vit", "vit.layers.0", {
            "layernorm_before.weight": "qkv", "attention.v_proj": "o", "layernorm_after.weight": "fc1",
        }),
    ],
)  # fmt: skip
def test_pairs_of_other_architectures(net, layer, expected):
    pairs = _pairs(_trace(net))
    for producer, consumers in expected.items():
        names = [name.rpartition(".")[2].removesuffix("_proj") for name in pairs[f"{layer}.{producer}"]]
        assert names == [*"qkv", *consumers.split()[1:]] if consumers[:3] == "qkv" else consumers.split()


@pytest.mark.parametrize("net", ARCHITECTURES)
def test_every_layer_has_a_pair_or_a_reason(net):
    structure = _trace(net)
    paired = {name for consumers in _pairs(structure).values() for name in consumers}
    assert paired | structure.unpaired.keys() == set(structure.order)
    assert all(structure.unpaired.values())


class _Net(nn.Module):
    def __init__(self, middle):
        super().__init__()
        self.first, self.second, self.middle = nn.Linear(6, 6), nn.Linear(6, 6), middle

    def forward(self, x):
        return self.second(self.middle(self, self.first(x)))


@pytest.mark.parametrize(
    "middle",
    [
        lambda net, x: functional.silu(x),
        lambda net, x: functional.hardtanh(x),
        lambda net, x: x + 1,
        lambda net, x: x + x.flip(-1),
        lambda net, x: x * x,
        lambda net, x: 1 / x,
        lambda net, x: torch.cat((x[..., :3], torch.ones_like(x[..., 3:])), -1),
        lambda net, x: functional.pad(x[..., :5], (0, 1), value=1.0),
        lambda net, x: x.clone().add_(1.0),
        lambda net, x: torch.ones_like(x).mul_(x),
        lambda net, x: net.first(x),
        lambda net, x: functional.linear(x, net.second.weight),
        lambda net, x: x.mean(-1, keepdim=True).expand(-1, 6),
        lambda net, x: x.reshape(-1)[torch.arange(x.numel() - 1, -1, -1)].view_as(x).cumsum(0),
        lambda net, x: functional.linear(x, net.first.weight.abs()),
    ],
)
def test_what_no_scale_passes_makes_no_pair(middle):
    net = _Net(middle).requires_grad_(False)
    structure = trace(net, lambda: net(torch.randn(2, 6)))
    assert structure.pairs == ()
    assert structure.unpaired["second"]


@pytest.mark.parametrize(
    "middle",
    [
        lambda net, x: functional.relu(x) * torch.rand_like(x),
        lambda net, x: x.roll(1, -1),
        lambda net, x: functional.pad(x[..., :5], (0, 1)),
        lambda net, x: functional.relu_(x) + x,
        lambda net, x: torch.bmm(torch.ones(1, 2, 2, dtype=x.dtype), x[None])[0],
        lambda net, x: torch.cat((-x[..., 3:], x[..., :3]), -1) / 3,
    ],
)
def test_what_a_scale_passes_keeps_the_function(middle):
    torch.manual_seed(0)
    net = _Net(middle).requires_grad_(False).double()
    x = torch.randn(2, 6, dtype=torch.float64)
    torch.manual_seed(1)
    structure = trace(net, lambda: net(x))
    assert _pairs(structure) == {"first": ["second"]}
    torch.manual_seed(1)
    before = net(x)
    structure.pairs[0].scale(torch.rand(6, dtype=torch.float64) + 0.5, net)
    torch.manual_seed(1)
    torch.testing.assert_close(net(x), before, rtol=1e-9, atol=1e-9)


def test_inputs_written_in_place_between_two_layers_are_not_shared():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            x = x + 1
            left = self.a(x)
            return left + self.b(x.relu_())

    net = Net().requires_grad_(False)
    assert trace(net, lambda: net(torch.randn(1, 4))).shared == ()


def test_a_producer_that_leaves_the_model_has_no_pair():
    class Net(_Net):
        def forward(self, x):
            hidden = self.first(x)
            return self.second(hidden), hidden

    net = Net(None).requires_grad_(False)
    structure = trace(net, lambda: net(torch.randn(1, 6)))
    assert structure.unpaired["second"] == "first before it also feeds the output of the model"


def test_pairs_across_a_border_are_dropped_with_the_reason():
    inside = _trace("mlp").within(lambda name: name != "0")
    assert _pairs(inside) == {"2": ["4"]}
    assert inside.unpaired["2"] == "0 before it is paired across blocks, with 0"


@torch.no_grad()
def test_a_weight_of_two_layers_is_not_scaled():
    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.c.weight = self.a.weight

        def forward(self, x):
            return self.c(self.b(torch.relu(self.a(x))))

    model = Twins()
    assert not trace(model, lambda: model(torch.randn(2, 4))).pairs

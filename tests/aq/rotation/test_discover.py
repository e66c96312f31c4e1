import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.aq.rotation.discover import discover
from tests.aq.nets import make


def _spaces(name):
    model, sample = make(name)
    inputs = [torch.from_numpy(item) for item in next(sample.batches(1))]
    return discover(model.module, lambda: model.module(*inputs))


def _useful(name):
    return [space for space in _spaces(name) if space.is_useful]


def test_the_residual_stream_and_the_values_of_llama():
    stream, *values = _useful("llama")
    assert (stream.width, stream.block, stream.keeps_ones) == (32, 32, False)
    layers = range(3)
    written = {f"net.model.layers.{i}.{name}" for i in layers for name in ("self_attn.o_proj", "mlp.down_proj")}
    assert {item.owner for item in stream.writers} == {"net.model.embed_tokens.weight"} | written
    assert len(stream.readers) == 3 * 5 + 1
    assert len(stream.gains) == 7
    assert [(space.width, space.block) for space in values] == [(16, 8)] * 3
    assert [item.layer for item in values[0].readers] == ["net.model.layers.0.self_attn.o_proj"]


@pytest.mark.parametrize(
    ("net", "width", "keeps_ones"),
    [("layer-norm", 24, True), ("offset-norm", 24, False), ("phi", 32, True), ("opt", 32, True), ("gpt2", 32, True),
     ("gpt-neox", 32, True), ("vit", 32, True), ("qwen3", 32, False), ("gemma", 32, False)],
)  # fmt: skip
def test_the_residual_stream_of_other_architectures(net, width, keeps_ones):
    streams = [space for space in _useful(net) if space.gains]
    assert [(space.block, space.keeps_ones) for space in streams] == [(width, keeps_ones)]


def test_positions_and_tokens_that_are_parameters_write_too():
    stream = next(space for space in _useful("vit") if space.gains)
    owners = {item.owner for item in stream.writers}
    assert {name for name in owners if "embeddings" in name} == {
        "vit.embeddings.cls_token", "vit.embeddings.position_embeddings", "vit.embeddings.patch_embeddings.projection",
    }  # fmt: skip


def test_of_a_fused_projection_only_the_values_are_free():
    values = [space for space in _useful("layer-norm") if space.width == 72]
    assert [space.free.tolist() for space in values] == [[False] * 48 + [True] * 24] * 2


def test_a_norm_after_a_layer_stops_the_stream_with_the_reason():
    stream = _spaces("gemma2")[0]
    assert not stream.is_useful
    assert stream.reason == "add after model.layers.0.post_attention_layernorm.weight"


class _Net(nn.Module):
    def __init__(self, middle):
        super().__init__()
        self.first, self.second, self.middle = nn.Linear(6, 8), nn.Linear(8, 6), middle
        self.gain, self.token = nn.Parameter(torch.rand(8) + 0.5), nn.Parameter(torch.randn(1, 8))

    def forward(self, x):
        return self.second(self.middle(self, self.first(x)))


def _first(middle):
    net = _Net(middle).requires_grad_(False)
    return discover(net, lambda: net(torch.randn(3, 6)))[0]


@pytest.mark.parametrize(
    "middle",
    [
        lambda net, x: x * 2.0 / 3,
        lambda net, x: x * x.pow(2).mean(-1, keepdim=True).rsqrt() * net.gain,
        lambda net, x: functional.layer_norm(x, (8,), net.gain, net.gain),
        lambda net, x: functional.rms_norm(x, (8,), net.gain),
        lambda net, x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
        lambda net, x: x + 1,
        lambda net, x: x + net.token,
        lambda net, x: x.roll(1, 0) - x,
        lambda net, x: functional.normalize(x, dim=-1),
    ],
)
def test_what_commutes_is_free(middle):
    space = _first(middle)
    assert space.is_useful, space.reason
    assert space.block == 8


@pytest.mark.parametrize(
    "middle",
    [
        lambda net, x: functional.relu(x),
        lambda net, x: x * torch.rand(8),
        lambda net, x: x + torch.rand(8),
        lambda net, x: x * net.gain + net.token,
        lambda net, x: x * net.gain * net.gain,
        lambda net, x: x.flip(-1),
        lambda net, x: functional.pad(x[:, :7], (0, 1)),
        lambda net, x: x + x.roll(1, -1),
        lambda net, x: x * x,
        lambda net, x: x.softmax(-1),
        lambda net, x: x / x.abs().amax(-1, keepdim=True),
        lambda net, x: functional.linear(x, net.second.weight.T[:, :6] @ net.second.weight),
        lambda net, x: net.first(x[:, :6]),
    ],
)
def test_what_does_not_commute_is_refused_with_a_reason(middle):
    space = _first(middle)
    assert not space.is_useful
    assert space.reason


def test_a_norm_that_is_used_twice_is_refused():
    net = _Net(lambda net, x: functional.rms_norm(x, (8,), net.gain)).requires_grad_(False)
    net.third = nn.Linear(8, 6)

    def run():
        x = net.first(torch.randn(3, 6))
        return net.second(net.middle(net, x)) + net.third(net.middle(net, x * 2))

    assert discover(net, run)[0].reason == "gain, which is used more than once"

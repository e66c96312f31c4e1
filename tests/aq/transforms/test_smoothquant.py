import pytest
import torch

from edgewright.aq.transforms.smoothquant import Algorithm, Options
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


def _block(net, **fields):
    model, sample = make(net)
    return whole(model, sample, AqRecipe(algorithms=("smoothquant",), bits=8, **fields))


def _columns(block, names):
    return torch.stack([block.layers[name].weight.abs().amax(0) for name in names]).amax(0)


@torch.no_grad()
def test_with_half_a_channel_has_one_range_in_activations_and_weights():
    block = _block("llama")
    names = [f"net.model.layers.0.self_attn.{name}_proj" for name in "qkv"]
    before = block.statistics(names[0]).max_magnitude / _columns(block, names)
    assert float(before.max() / before.min()) > 10
    layers = [name for name in block.layers if not name.endswith("o_proj")]
    Algorithm(Options()).apply(block, layers)
    after = block.statistics(names[0]).max_magnitude
    torch.testing.assert_close(after, _columns(block, names), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("alpha", "even"), [(1.0, True), (0.0, False)])
@torch.no_grad()
def test_alpha_moves_all_of_the_range_or_makes_the_weights_even(alpha, even):
    block = _block("llama")
    names = [f"net.model.layers.1.mlp.{name}_proj" for name in ("gate", "up")]
    Algorithm(Options(alpha=alpha)).apply(block, names)
    ranges = block.statistics(names[0]).max_magnitude if even else _columns(block, names)
    torch.testing.assert_close(ranges, torch.ones_like(ranges), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_convolution_is_scaled_by_input_channel():
    block = _block("cnn")
    Algorithm(Options()).apply(block, ["pointwise"])
    ranges = block.statistics("pointwise").max_magnitude
    torch.testing.assert_close(ranges, block.layers["pointwise"].weight.abs().amax((0, 2, 3)), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_channels_that_are_always_zero_keep_their_scale():
    model, sample = make("mlp")
    model.module[0].weight[3], model.module[0].bias[3] = 0, -1
    model.module[2].weight[:, 5] = 0
    column = model.module[2].weight[:, 3].clone()
    block = whole(model, sample, AqRecipe(algorithms=("smoothquant",), bits=8))
    Algorithm(Options()).apply(block, ["2"])
    assert all(bool(torch.isfinite(layer.weight).all()) for layer in block.layers.values())
    assert torch.equal(model.module[2].weight[:, 3], column)

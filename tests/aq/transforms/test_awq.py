import pytest
import torch

from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.transforms.awq import Algorithm, Options
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


def _error(block, names):
    total = 0.0
    for name in names:
        layer = block.layers[name]
        difference = round_to_nearest(layer).dequantize() - layer.matrix
        total += float(block.statistics(name).output_error(difference)) * layer.matrix.shape[0]
    return total


@pytest.mark.parametrize("net", ["llama", "layer-norm", "offset-norm", "cnn", "mlp"])
@torch.no_grad()
def test_each_pair_has_at_most_the_output_error_that_it_had(net):
    model, sample = make(net)
    block = whole(model, sample, AqRecipe(algorithms=("awq",), bits=3, group=4))
    before = {pair.producer: _error(block, [item.layer for item in pair.consumers]) for pair in block.structure.pairs}
    Algorithm(Options()).apply(block, list(block.layers))
    after = {pair.producer: _error(block, [item.layer for item in pair.consumers]) for pair in block.structure.pairs}
    # The outputs of a consumer that is itself a producer are scaled, and its error with them.
    settled = [
        pair.producer for pair in block.structure.pairs if not {item.layer for item in pair.consumers} & before.keys()
    ]
    assert settled
    assert all(after[name] <= before[name] * 1.001 for name in settled)
    assert any(after[name] < 0.98 * before[name] for name in settled)


@torch.no_grad()
def test_planted_outliers_do_less_harm():
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(algorithms=("awq",), bits=3, group=8))
    names = [name for name in block.layers if name.endswith("q_proj")]
    before = _error(block, names)
    Algorithm(Options()).apply(block, list(block.layers))
    assert _error(block, names) < 0.8 * before


@torch.no_grad()
def test_a_layer_that_takes_other_algorithms_keeps_its_input():
    model, sample = make("llama")
    layers = {"*.k_proj": {"algorithms": ["rtn"]}}
    block = whole(model, sample, AqRecipe(algorithms=("awq",), group=8, layers=layers))
    names = [name for name, layer in block.layers.items() if "awq" in layer.algorithms]
    before = {name: layer.weight.clone() for name, layer in block.layers.items()}
    applied = Algorithm(Options()).apply(block, names)
    reasons = {item.module: item.reason for item in applied.skipped}
    layer = "net.model.layers.0.self_attn"
    assert reasons[f"{layer}.q_proj"] == f"{layer}.k_proj, which reads the same input, takes other algorithms"
    assert torch.equal(block.layers[f"{layer}.k_proj"].weight, before[f"{layer}.k_proj"])
    assert f"{layer}.o_proj" in applied.layers


@torch.no_grad()
def test_a_layer_that_stays_float_is_scaled_with_the_others():
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(algorithms=("awq",), bits=3, group=8, layers={"*.k_proj": "skip"}))
    k_proj = model.module.get_submodule("net.model.layers.0.self_attn.k_proj")
    before = k_proj.weight.clone()
    applied = Algorithm(Options()).apply(block, list(block.layers))
    assert "net.model.layers.0.self_attn.q_proj" in applied.layers
    assert not torch.equal(k_proj.weight, before)


@torch.no_grad()
def test_channels_that_are_always_zero_do_not_matter():
    model, sample = make("mlp")
    model.module[0].weight[3], model.module[0].bias[3] = 0, -1
    block = whole(model, sample, AqRecipe(algorithms=("awq",), bits=3))
    Algorithm(Options()).apply(block, list(block.layers))
    assert all(bool(torch.isfinite(layer.weight).all()) for layer in block.layers.values())

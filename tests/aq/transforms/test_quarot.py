import pytest
import torch

from benchmarks.outliers import plant
from edgewright import aq
from edgewright.aq.transforms import quarot
from edgewright.aq.transforms.quarot import Algorithm, Options
from edgewright.config import AqRecipe
from tests.aq.nets import make, outputs, relative, whole


def _block(net, **fields):
    model, sample = make(net)
    return model, sample, whole(model, sample, AqRecipe(algorithms=("quarot",), bits=4, **fields))


def _peak(block, name):
    """Largest input channel over their root mean square."""
    statistics = block.statistics(name)
    return float(statistics.max_magnitude.max() / statistics.hessian[0].diagonal().mean().sqrt())


@pytest.mark.parametrize("net", ["llama", "layer-norm", "phi", "qwen3"])
@torch.no_grad()
def test_outlier_channels_are_spread(net):
    _, _, block = _block(net)
    names = [name for name in block.layers if name.rpartition(".")[2] in {"q_proj", "qkv", "up_proj", "fc1"}]
    before = [_peak(block, name) for name in names]
    Algorithm(Options()).apply(block, list(block.layers))
    after = [_peak(block, name) for name in names]
    assert all(late < early for early, late in zip(before, after, strict=True))


@torch.no_grad()
def test_values_with_outliers_are_balanced_before_they_are_rotated():
    errors = []
    for values in (False, True):
        model, sample = make("llama")
        before = outputs(model, sample)
        if values:
            plant(model.module.net, seed=1, channels=2, factor=64.0, values=True)
        aq.quantize(model, sample, AqRecipe(algorithms=("quarot",), bits=8))
        errors.append(relative(outputs(model, sample), before))
    assert errors[1] < 2 * errors[0]


@torch.no_grad()
def test_a_tied_head_gets_its_own_weight_and_it_is_said():
    model, sample, block = _block("llama-tied")
    before = outputs(model, sample)
    applied = Algorithm(Options()).apply(block, list(block.layers))
    net = model.module.net
    assert net.lm_head.weight is not net.model.embed_tokens.weight
    assert applied.notes == ("net.lm_head: has its own weight now, no longer that of net.model.embed_tokens.weight",)
    assert relative(outputs(model, sample), before) < 1e-5


@torch.no_grad()
def test_options_choose_residual_and_heads():
    for options, changed in ((Options(heads=False), "q_proj"), (Options(residual=False), "o_proj")):
        _, _, block = _block("llama")
        weights = {name: layer.weight.clone() for name, layer in block.layers.items()}
        Algorithm(options).apply(block, list(block.layers))
        moved = {name.rpartition(".")[2] for name, layer in block.layers.items()
                 if not torch.equal(layer.weight, weights[name])}
        assert changed in moved
        assert ("q_proj" in moved) == options.residual
    _, _, block = _block("llama")
    applied = Algorithm(Options(residual=False, heads=False)).apply(block, list(block.layers))
    assert applied.layers == ()


@torch.no_grad()
def test_the_seed_decides_the_rotation():
    found = []
    for seed in (0, 0, 1):
        _, _, block = _block("llama")
        Algorithm(Options(seed=seed)).apply(block, list(block.layers))
        found.append(next(iter(block.layers.values())).weight)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@torch.no_grad()
def test_a_function_that_changed_is_taken_back_with_the_reason(monkeypatch):
    model, _, block = _block("llama")
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    monkeypatch.setattr(quarot, "_tolerance", lambda *_: 0.0)
    applied = Algorithm(Options()).apply(block, list(block.layers))
    assert applied.layers == ()
    assert all("taken back" in item.reason for item in applied.skipped)
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())


def test_what_cannot_be_rotated_is_listed():
    model, sample = make("gemma2")
    result = aq.quantize(model, sample, AqRecipe(algorithms=("quarot",), bits=8)).transforms["quarot"]
    assert {name.rpartition(".")[2] for name in result.layers} == {"v_proj", "o_proj"}
    reasons = {item.module: item.reason for item in result.skipped}
    assert "post_attention_layernorm" in reasons["model.layers.0.self_attn.q_proj"]

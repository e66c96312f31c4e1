import os

import pytest
import torch

from edgewright.aq.block import Block
from edgewright.aq.failure import LayerError
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.rounders.gptq import Algorithm, Options
from edgewright.aq.statistics import Statistics
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


def _rounded(block, **options):
    return dict(Algorithm(Options(**options)).round(block, list(block.layers)))


def _row_errors(block, name, weight):
    hessian = block.statistics(name).hessian
    difference = (weight.dequantize() - block.layers[name].matrix).reshape(len(hessian), -1, hessian.shape[-1])
    return ((difference @ hessian) * difference).sum(-1).flatten()


@pytest.mark.parametrize("options", [{}, {"passes": 0, "scales": "range"}, {"act_order": False}], ids=str)
@pytest.mark.parametrize("net", ["llama", "cnn", "mlp"])
@torch.no_grad()
def test_no_row_is_worse_than_rounded_to_nearest_and_the_whole_is_better(net, options):
    model, sample = make(net)
    block = whole(model, sample, AqRecipe(bits=3, group=5, symmetric=False))
    found = _rounded(block, **options)
    total = allowed = 0.0
    for name, weight in found.items():
        errors = _row_errors(block, name, weight)
        plain = _row_errors(block, name, round_to_nearest(block.layers[name]))
        assert bool((errors <= plain * (1 + 1e-5) + 1e-12).all()), name
        total, allowed = total + float(errors.sum()), allowed + float(plain.sum())
    assert total < 0.75 * allowed


@torch.no_grad()
def test_the_search_and_the_descent_each_lower_the_error():
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(bits=3, group=8))
    recipes = [{"passes": 0, "scales": "range"}, {"passes": 0}, {"passes": 1}, {"passes": 3}]
    errors = [Algorithm(Options()).objective(block, _rounded(block, **options)) for options in recipes]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.9 * errors[1]


@torch.no_grad()
def test_clip_searches_whatever_scales_says():
    model, sample = make("mlp")
    block, clipped = (whole(model, sample, AqRecipe(bits=2, group=5, clip=clip)) for clip in (False, True))
    one, other = _rounded(block), _rounded(clipped, scales="range")
    assert all(torch.equal(one[name].scale, other[name].scale) for name in one)


@torch.no_grad()
def test_mxfp4_keeps_powers_of_two():
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(bits=4, group=32))
    layer = block.layers["net.model.layers.0.mlp.down_proj"]
    object.__setattr__(layer.grid, "format", "mxfp4")
    weight = _rounded(block)[layer.name]
    assert torch.equal(weight.scale.log2(), weight.scale.log2().round())
    assert set(weight.integers.unique().tolist()) <= set(layer.grid.levels)


@torch.no_grad()
def test_a_hessian_that_is_not_positive_definite_is_refused_by_name(monkeypatch):
    model, sample = make("mlp")
    block = whole(model, sample, AqRecipe(bits=4))
    bad = torch.eye(16)
    bad[0, 1] = bad[1, 0] = 2.0
    good = Block.statistics
    monkeypatch.setattr(
        Block, "statistics", lambda self, name: Statistics(1, _hessian=bad[None]) if name == "2" else good(self, name)
    )
    with pytest.raises(LayerError, match=r"^2: its Hessian is not positive definite .*damping: 0\.01; raise that"):
        _rounded(block)
    assert _rounded(block, damping=2.0).keys() == block.layers.keys()


@torch.no_grad()
def test_true_sequential_sees_the_layers_before_as_quantized():
    results = []
    for is_sequential in (False, True):
        model, sample = make("mlp")
        block = whole(model, sample, AqRecipe(bits=2))
        found = {}
        for name, weight in Algorithm(Options(true_sequential=is_sequential)).round(block, list(block.layers)):
            block.install(name, weight)
            found[name] = weight
        results.append(found)
    assert torch.equal(results[0]["0"].integers, results[1]["0"].integers)
    assert not torch.equal(results[0]["4"].dequantize(), results[1]["4"].dequantize())


@torch.no_grad()
def test_bits_do_not_depend_on_the_number_of_workers(monkeypatch):
    results = []
    for workers in ("1", "3"):
        monkeypatch.setitem(os.environ, "EDGEWRIGHT_WORKERS", workers)
        monkeypatch.setattr("edgewright.aq.rounders.gptq._ROWS", 8)
        monkeypatch.setattr("edgewright.aq.rounders.gptq._ELEMENTS", 1)
        model, sample = make("llama")
        results.append(_rounded(whole(model, sample, AqRecipe(bits=3, group=8))))
    assert all(torch.equal(results[0][name].scale, results[1][name].scale) for name in results[0])
    assert all(torch.equal(results[0][name].integers, results[1][name].integers) for name in results[0])

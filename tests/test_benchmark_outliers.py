"""Planted outliers keep the function, and the benchmark of activations says where a claim does not hold."""

import torch

from benchmarks import aq_activations, outliers
from tests.aq.nets import make, outputs


def test_planting_changes_no_bit_of_the_function_but_the_channels():
    model, sample = make("llama")
    before = outputs(model, sample)
    layer = model.module.net.model.layers[0]
    gain, values = layer.input_layernorm.weight.clone(), layer.self_attn.v_proj.weight.clone()
    outliers.plant(model.module.net, seed=0, channels=2, factor=64.0, values=True)
    assert sorted((layer.input_layernorm.weight / gain).tolist())[-3:] == [1.0, 64.0, 64.0]
    assert not torch.equal(layer.self_attn.v_proj.weight, values)
    torch.testing.assert_close(outputs(model, sample), before)


def test_a_claim_that_does_not_hold_is_named():
    held = {"rtn": 20.0, "smoothquant": 10.5, "quarot": 11.0}
    assert aq_activations.judge(True, "w8a8-static", 10.0, held) == []
    assert aq_activations.judge(True, "w8a8-static", 10.0, {**held, "quarot": 16.0}) == [
        "quarot wins back 40% of what rtn loses, not 50%"
    ]
    assert aq_activations.judge(False, "w4a8-dynamic", 10.0, {"rtn": 20.0, "smoothquant": 20.1, "quarot": 21.0}) == [
        "quarot loses 5.0% against rtn, more than 1%"
    ]

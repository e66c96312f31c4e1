"""A layer that cannot be quantized stops the run, or is answered by `on_failure` and counted."""

from functools import reduce

import numpy as np
import pytest
import torch

from edgewright import aq
from edgewright.aq.failure import LayerError
from edgewright.aq.report import describe
from edgewright.config import AqRecipe
from edgewright.errors import InputError
from edgewright.models.quantized import QuantizedLinear
from tests.aq.nets import make, outputs


def _with_idle_layer():
    model, sample = make("mlp")
    model.module.idle = torch.nn.Linear(3, 3)
    net = model.module
    net.forward = lambda x: reduce(lambda value, item: item(value), list(net)[:5], x)
    return model, sample


def test_a_failure_stops_the_run_by_default():
    with pytest.raises(LayerError, match="idle: no token of the calibration sample goes through it; skip it"):
        aq.quantize(*_with_idle_layer(), AqRecipe(clip=True))


def test_on_failure_rtn_rounds_and_counts():
    model, sample = _with_idle_layer()
    result = aq.quantize(model, sample, AqRecipe(on_failure="rtn", clip=True))
    assert isinstance(model.module.idle, QuantizedLinear)
    failed = {row.module: row for row in result.layers if row.failure}
    assert failed.keys() == {"idle"}
    assert failed["idle"].output_mse is None
    report = describe(result)
    assert [(item["module"], item["became"]) for item in report["failures"]] == [("idle", "rtn")]


def test_on_failure_float_leaves_the_layer_and_counts():
    model, sample = _with_idle_layer()
    result = aq.quantize(model, sample, AqRecipe(on_failure="float", clip=True))
    assert isinstance(model.module.idle, torch.nn.Linear)
    assert [(item.module, item.became) for item in result.failures] == [("idle", "float")]
    assert "idle" in {item.module for item in result.skipped}
    assert "idle" not in result.formats


@pytest.mark.parametrize("answer", ["rtn", "float"])
def test_the_layers_behind_a_failure_are_quantized_as_without_it(answer):
    model, sample = _with_idle_layer()
    aq.quantize(model, sample, AqRecipe(bits=4, clip=True, on_failure=answer))
    other, sample = make("mlp")
    aq.quantize(other, sample, AqRecipe(bits=4, clip=True))
    assert torch.equal(outputs(model, sample), outputs(other, sample))


def test_a_layer_without_tokens_is_no_failure_where_nothing_is_learnt_from_them():
    result = aq.quantize(*_with_idle_layer(), AqRecipe())
    rows = {row.module: row for row in result.layers}
    assert rows["idle"].failure is None
    assert rows["idle"].output_mse is None
    assert rows["0"].output_mse is not None


def test_weights_that_are_not_finite_stay_float_only_where_asked():
    for answer, error in (("stop", True), ("rtn", True), ("float", False)):
        model, sample = make("mlp")
        model.module[4].weight[0, 0] = torch.inf
        recipe = AqRecipe(on_failure=answer)
        if error:
            with pytest.raises(InputError, match="4: weights are NaN or infinite"):
                aq.quantize(model, sample, recipe)
        else:
            assert [item.module for item in aq.quantize(model, sample, recipe).failures] == ["4"]


def test_a_group_larger_than_the_row_names_layer_and_way_out():
    with pytest.raises(InputError, match="0: group of 16 is larger than its row of 10 columns; give it a smaller"):
        aq.quantize(*make("mlp"), AqRecipe(group=16))


def test_activations_that_are_not_finite_fail_the_layers_that_see_them():
    model, sample = make("mlp")
    sample.inputs["x"][3, 2] = np.nan
    result = aq.quantize(model, sample, AqRecipe(on_failure="rtn", clip=True))
    assert [item.module for item in result.failures] == ["0", "2", "4"]
    assert all("NaN or infinite" in item.reason for item in result.failures)


def test_channels_of_zeros_are_exact_and_counted():
    model, sample = make("mlp")
    model.module[2].weight[5] = 0
    result = aq.quantize(model, sample, AqRecipe(bits=2))
    assert [row.zero_channels for row in result.layers] == [0, 1, 0]
    assert not model.module[2].dequantized()[5].any()

"""Operators of one program on different grids."""

import numpy as np
import pytest
import torch

from edgewright import gq, ir, targets
from edgewright.targets import Kernel
from tests.gq.nets import nodes, noise, sample_of, scheme, small

MIXED = scheme(layers={"conv2": "w8a16"})
WIDE = "conv2:conv2d"


@pytest.fixture
def target():
    """A target with 8 and 16 bits."""
    found = targets.load("onnxruntime")
    wide = {"bits": 16, "mode": "static", "symmetric": True}
    weights = {"bits": 8, "granularity": "channel"}
    forms = {
        True: Kernel.model_validate({"name": "w8a16", "weights": weights, "activations": wide}),
        False: Kernel.model_validate({"name": "a16", "activations": wide}),
    }
    operators = {
        name: item.model_copy(update={"quantized": (*item.quantized, forms[name in ("conv2d", "linear")])})
        for name, item in found.operators.items() if item.quantized
    }
    return found.model_copy(update={"operators": operators})


def test_a_wide_module_reads_and_writes_wide_integers_and_its_neighbours_narrow_ones(target):
    result = gq.quantize(small(), target, MIXED, sample_of(noise()))
    module = ir.unlift(result.program)
    conv1, conv2 = nodes(module, "conv2d")
    assert conv1.args[0].args[5] == torch.int8
    pad = conv2.args[0]
    assert pad.args[0].args[5] == torch.int16
    # Behind the narrow pair of the operator that makes the tensor: what is stored is narrow.
    assert pad.args[0].args[0].args[0].args[5] == torch.int8
    (add,) = nodes(module, "add")
    assert [source.args[5] for source in add.all_input_nodes] == [torch.int8, torch.int8]
    for node in nodes(module, "dequantize_per_tensor"):
        assert len(node.users) == 1
    names = {item["name"]: item["dtype"] for item in result.encodings["tensors"]}
    assert names[WIDE] == "int16"
    assert names[f"{WIDE} as int8"] == "int8"
    assert names[":relu as int16 symmetric"] == "int16"


def test_the_encodings_of_a_mixed_program_go_back_in(target):
    first = gq.quantize(small(), target, MIXED, sample_of(noise()))
    overrides = gq.Overrides.parse(first.encodings, "encodings.json")
    second = gq.quantize(small(), target, MIXED, sample_of(noise(seed=7)), encodings=overrides)
    assert {item["method"] for item in second.encodings["tensors"]} == {"encodings"}
    assert [item["scale"] for item in first.encodings["tensors"]] == [
        item["scale"] for item in second.encodings["tensors"]
    ]


def test_scales_are_powers_of_two_where_the_scheme_says_so(target):
    values = scheme(weights={"bits": 4, "power_of_two": True},
                    activations={"bits": 8, "power_of_two": True, "calibration": {"method": "histogram"}})
    four = Kernel.model_validate({
        "name": "w4a8", "weights": {"bits": 4, "granularity": "channel", "power_of_two": True},
        "activations": {"bits": 8, "mode": "static", "power_of_two": True},
    })
    operators = {name: item.model_copy(update={"quantized": (four, *item.quantized)})
                 for name, item in target.operators.items()}
    written = gq.quantize(small(), target.model_copy(update={"operators": operators}), values, sample_of(noise()))
    scales = [item["scale"] for item in written.encodings["tensors"]]
    scales += [scale for item in written.encodings["weights"] for scale in item["scales"]]
    assert scales
    assert set(np.frexp(scales)[0]) == {0.5}

"""What a checkpoint of others says wrongly is refused by name, in one line, and never read as something else."""

import pytest
import torch
from torch import nn

from edgewright.errors import InputError
from edgewright.models import packed
from edgewright.models.checkpoints import compressed_tensors, gptq
from edgewright.models.checkpoints._e2m1 import exponents, pack
from tests.models.checkpoints.test_reading import drawn, settings_of, words
from tests.models.checkpoints.test_reading import gptq as gptq_of

OUT, IN, LAYER = 96, 64, "block.up_proj"
INDEX = torch.arange(IN, dtype=torch.int32) // 32


def installed(tensors, settings):
    model = nn.ModuleDict({"block": nn.ModuleDict({"up_proj": nn.Linear(IN, OUT, bias=False)})})
    state = {f"{LAYER}.{name}": value for name, value in tensors.items() if value is not None}
    packed.install(model, state, settings, "folder")
    return model.get_submodule(LAYER)


def refused(tensors, settings, expected):
    with pytest.raises(InputError, match=expected) as caught:
        installed(tensors, settings)
    assert "\n" not in str(caught.value)


def weights_of(bits, **fields):
    return {"num_bits": bits, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32, **fields}


def groups(settings, layout="pack-quantized"):
    """A quantization_config: the groups are targets and their weights."""
    return {"quant_method": "compressed-tensors", "format": layout,
            "config_groups": {f"group_{index}": {"targets": targets, "weights": weights}
                              for index, (targets, weights) in enumerate(settings)}}


def dense(bits):
    integers, zeros, scale = drawn(bits)
    tensors = {"weight_packed": words(integers, bits), "weight_scale": scale,
               "weight_zero_point": words(zeros.mT, bits).mT}
    return tensors, (integers - zeros[:, INDEX.long()]).float() * scale.float()[:, INDEX.long()]


def test_a_name_comes_before_a_pattern_and_a_pattern_before_a_class():
    tensors, expected = dense(4)
    general, pattern, exact = (["Linear"], weights_of(8)), (["re:.*up_proj"], weights_of(3)), ([LAYER], weights_of(4))
    other = (["re:.*down_proj"], weights_of(5))
    for order in ([general, pattern, exact], [exact, pattern, general], [(pattern[0], exact[1]), general, other]):
        assert torch.equal(installed(tensors, groups(order)).float_weight(), expected)


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_words_of_another_width_are_refused(bits):
    refused(dense(4)[0], groups([(["Linear"], weights_of(bits))]), f"64 integers of {bits} bits in 8 words")


LINEAR = ["Linear"]


@pytest.mark.parametrize(("settings", "expected"), [
    (groups([(LINEAR, weights_of("4"))]), "num_bits: '4' is not read"),
    (groups([(LINEAR, weights_of(0))]), "num_bits: 0 is not read"),
    (groups([(LINEAR, weights_of(9))]), "num_bits: 9 is not read"),
    (groups([(LINEAR, weights_of(4, group_size=0))]), "group_size: 0 is no number of columns"),
    (groups([(LINEAR, weights_of(4, strategy="tensor"))]), "zero points in the strategy 'tensor' are not read"),
    (groups([(["re:("], weights_of(4))]), "quantization_config: "),
    (groups([([3], weights_of(4))]), "quantization_config: "),
    (groups([(None, weights_of(4))]), "quantization_config: "),
    (groups([(LINEAR, [4])]), "group_0.weights: expected a mapping, got a list"),
    (groups([]) | {"config_groups": [1]}, "config_groups: expected a mapping, got a list"),
    (groups([]) | {"config_groups": {"group_0": None}}, "config_groups.group_0: expected a mapping, got a NoneType"),
    (groups([(LINEAR, weights_of(4, group_size=64))], "mxfp4-pack-quantized"), "has groups of 32"),
    (settings_of(4, pack_dtype="int16"), "pack_dtype: int16 is not read; int32 is"),
    (settings_of([4]), r"bits: \[4\] is not read"),
])
def test_a_malformed_configuration_names_its_key(settings, expected):
    refused(dense(4)[0], settings, f"config.json: quantization_config: .*{expected}|{expected}")


def mxfp4():
    return {"weight_packed": pack(torch.ones(OUT, IN, dtype=torch.int8)),
            "weight_scale": exponents(torch.ones(OUT, IN // 32))}


@pytest.mark.parametrize(("change", "expected"), [
    ({}, None),
    ({"weight_packed": torch.zeros(OUT, IN, dtype=torch.uint8)}, "weight_packed of shape"),
    ({"weight_scale": torch.zeros(OUT, 1, dtype=torch.uint8)}, "weight_scale of"),
    ({"weight_scale": torch.ones(OUT, IN // 32)}, "weight_scale is torch.float32, the layout has torch.uint8"),
    ({"weight_packed": torch.zeros(OUT, IN // 2, dtype=torch.int8)}, "weight_packed is torch.int8"),
    ({"weight_scale": torch.full((OUT, IN // 32), 255, dtype=torch.uint8)}, "weight_scale holds NaN"),
])
def test_mxfp4_of_other_shapes_or_dtypes(change, expected):
    settings = groups([(["Linear"], weights_of(4, type="float", symmetric=True))], "mxfp4-pack-quantized")
    if expected is None:
        assert torch.equal(installed(mxfp4(), settings).float_weight(), torch.ones(OUT, IN))
    else:
        refused(mxfp4() | change, settings, f"{LAYER}: .*{expected}")


def gptq_tensors():
    integers, zeros, scale = drawn(4, low=1)
    return gptq_of(integers, zeros - 1, scale, 4, INDEX)


@pytest.mark.parametrize(("change", "expected"), [
    ({"qweight": torch.zeros(IN // 8, OUT, dtype=torch.int16)}, "qweight is torch.int16, the layout has torch.int32"),
    ({"qzeros": torch.zeros(2, OUT // 8, dtype=torch.int64)}, "qzeros is torch.int64"),
    ({"g_idx": None, "scales": torch.ones(6, OUT), "qzeros": torch.zeros(6, OUT // 8, dtype=torch.int32)},
     "64 columns cannot be 6 groups of one size"),
    ({"g_idx": torch.arange(IN + 32) // 32 % 2}, r"g_idx of shape \[96\] for 64 columns"),
    ({"g_idx": INDEX + 2**30}, "g_idx names other groups than the 2"),
    ({"scales": torch.tensor(1.0)}, LAYER),
    ({"scales": torch.ones(0, OUT), "g_idx": None}, "cannot be 0 groups"),
    ({"qzeros": torch.tensor(1, dtype=torch.int32)}, LAYER),
])
def test_gptq_tensors_that_are_malformed(change, expected):
    refused(gptq_tensors() | change, settings_of(4), f"{LAYER}: .*{expected}|{expected}")


def test_awq_of_other_words_or_uneven_groups():
    settings = {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": 32}
    zeros = torch.zeros(6, OUT // 8, dtype=torch.int32)
    tensors = {"qweight": torch.zeros(IN, OUT // 8, dtype=torch.int32), "qzeros": zeros, "scales": torch.ones(6, OUT)}
    refused(tensors, settings, "64 columns cannot be 6 groups of one size")
    refused(tensors | {"qweight": tensors["qweight"].short()}, settings, "qweight is torch.int16")


def test_dtypes_that_writers_state_are_read():
    for name in ("int32", "torch.int32"):
        gptq.check(settings_of(4, pack_dtype=name))
    compressed_tensors.check(groups([(["Linear"], weights_of(8, strategy="tensor", symmetric=True))]))

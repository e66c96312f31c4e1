"""Checkpoints of others, packed here value by value as their packages do it, are taken over with integers untouched."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgewright import aq
from edgewright.aq.keep import keep
from edgewright.config import AqRecipe, ModelEntry
from edgewright.datasets.sample import Sample
from edgewright.errors import InputError
from edgewright.models.check import check
from edgewright.models.load import export, fetch, load
from edgewright.models.quantized import quantized_modules
from tests.support import ROOT

LAYER = "model.layers.0.mlp.up_proj"
OUT, IN = 96, 64


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Folder of a small random Llama in bfloat16, as save_pretrained writes it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("source")
    config = LlamaConfig(
        vocab_size=64, hidden_size=IN, intermediate_size=OUT, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def words(values, bits):
    """Rows of integers as 32-bit words, bit by bit, the first value in the lowest bits."""
    rows = []
    for row in values.tolist():
        stream = sum(value << (bits * index) for index, value in enumerate(row))
        count = -(-len(row) * bits // 32)
        unsigned = [(stream >> (32 * index)) & 0xFFFFFFFF for index in range(count)]
        rows.append([word - (1 << 32) if word >= 1 << 31 else word for word in unsigned])
    return torch.tensor(rows, dtype=torch.int32)


def rewrite(source, folder, packed, settings):
    """A copy of the model in which the tensors of LAYER are `packed`."""
    tensors = load_file(source / "model.safetensors")
    del tensors[f"{LAYER}.weight"]
    tensors |= {f"{LAYER}.{name}": value.contiguous() for name, value in packed.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
    return folder


def entry(folder):
    return ModelEntry(task="language-modeling", source=str(folder), calibration="c", holdout="h",
                      export={"sequence": 8})


def taken(folder, tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    spec = fetch(entry(folder), out, ROOT)
    model = load(out)
    assert spec.parameters == sum(item.numel() for item in model.module.parameters()) + OUT * IN
    assert list(quantized_modules(model.module)) == [LAYER]
    return model


def drawn(bits, groups=2, low=0):
    generator = torch.Generator().manual_seed(bits)
    integers = torch.randint(0, 1 << bits, (OUT, IN), generator=generator)
    zeros = torch.randint(low, 1 << bits, (OUT, groups), generator=generator)
    scale = (torch.rand(OUT, groups, generator=generator) + 0.5).half()
    return integers, zeros, scale


def gptq(integers, zeros, scale, bits, index):
    return {"qweight": words(integers, bits).mT, "qzeros": words(zeros.mT, bits), "scales": scale.mT, "g_idx": index}


def settings_of(bits, **fields):
    return {"quant_method": "gptq", "bits": bits, "group_size": 32, "desc_act": False, "sym": False, **fields}


def check_weight(module, integers, zeros, scale, bits, index):
    half = 1 << (bits - 1)
    expected = (integers - zeros[:, index]).float() * scale.float()[:, index]
    assert torch.equal(module.float_weight(), expected)
    assert torch.equal(module.weight_zero_point, (zeros - half).to(torch.int8))
    x = torch.randn(3, IN, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x), nn.functional.linear(x, expected), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_of_version_1_stores_zero_points_less_one(bits, source, tmp_path):
    integers, zeros, scale = drawn(bits, low=1)
    index = torch.arange(IN, dtype=torch.int32) // 32
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, gptq(integers, zeros - 1, scale, bits, index), settings_of(bits))
    module = taken(folder, tmp_path).module.get_submodule(LAYER)
    check_weight(module, integers, zeros, scale, bits, index.long())
    assert torch.equal(module.weight, (integers - (1 << (bits - 1))).to(torch.int8))


def test_a_zero_point_of_0_borrows_in_the_word_and_gives_back(source, tmp_path):
    integers, zeros, scale = drawn(4)
    assert bool((zeros == 0).any())
    index = torch.arange(IN, dtype=torch.int32) // 32
    packed = gptq(integers, zeros, scale, 4, index)
    packed["qzeros"] = (packed["qzeros"].long() - 0x11111111).to(torch.int32)
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, packed, settings_of(4))
    check_weight(taken(folder, tmp_path).module.get_submodule(LAYER), integers, zeros, scale, 4, index.long())


@pytest.mark.parametrize("version", ["gptq", "gptq_v2"])
def test_gptq_with_activation_order_permutes_the_input(version, source, tmp_path):
    integers, zeros, scale = drawn(4, low=1)
    index = (torch.randperm(IN, generator=torch.Generator().manual_seed(1)) // 32).to(torch.int32)
    folder = tmp_path / "source"
    folder.mkdir()
    stored = zeros - 1 if version == "gptq" else zeros
    rewrite(source, folder, gptq(integers, stored, scale, 4, index), settings_of(4, checkpoint_format=version))
    model = taken(folder, tmp_path)
    check_weight(model.module.get_submodule(LAYER), integers, zeros, scale, 4, index.long())
    ids = torch.arange(8).unsqueeze(0)
    assert torch.equal(export(model).module()(ids), model.module(ids))
    result = aq.quantize(model, Sample({"input_ids": ids.repeat(4, 1).numpy()}), AqRecipe(bits=8))
    for layout in ("gptq", "native"):
        aq.save(result, tmp_path / "model", tmp_path / layout, (layout,))
        again = load(tmp_path / layout).module.get_submodule(LAYER)
        assert torch.equal(again.weight, model.module.get_submodule(LAYER).weight)
        assert torch.equal(again.float_weight(), model.module.get_submodule(LAYER).float_weight())


def test_symmetric_gptq_has_zero_points_of_0(source, tmp_path):
    integers, _, scale = drawn(4)
    index = torch.arange(IN, dtype=torch.int32) // 32
    folder = tmp_path / "source"
    folder.mkdir()
    packed = gptq(integers, torch.full((OUT, 2), 7), scale, 4, index) | {"bias": torch.zeros(OUT)}
    rewrite(source, folder, packed, settings_of(4, sym=True))
    grid = taken(folder, tmp_path).module.get_submodule(LAYER).format.grid
    assert (grid.bits, grid.symmetric, grid.group) == (4, True, 32)


def test_awq(source, tmp_path):
    integers, zeros, scale = drawn(4)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    shuffled = [value.mT.reshape(value.shape[1], -1, 8)[..., order].flatten(1) for value in (integers, zeros)]
    packed = {"qweight": words(shuffled[0], 4), "qzeros": words(shuffled[1], 4), "scales": scale.mT}
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, packed, {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": 32})
    module = taken(folder, tmp_path).module.get_submodule(LAYER)
    check_weight(module, integers, zeros, scale, 4, torch.arange(IN) // 32)


def _group(bits, **fields):
    weights = {"num_bits": bits, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32, **fields}
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["re:.*up_proj"], "weights": weights}}}


@pytest.mark.parametrize("is_dense", [True, False])
def test_compressed_tensors_of_3_bits_in_both_packings(is_dense, source, tmp_path):
    integers, zeros, scale = drawn(3)

    def pack(values):
        if is_dense:
            return words(values, 3)
        padded = nn.functional.pad(values, (0, -values.shape[1] % 10))
        return torch.cat([words(part, 3) for part in padded.split(10, 1)], 1)

    packed = {"weight_packed": pack(integers), "weight_scale": scale.bfloat16(), "weight_zero_point": pack(zeros.mT).mT,
              "weight_shape": torch.tensor([OUT, IN])}
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, packed, _group(3))
    module = taken(folder, tmp_path).module.get_submodule(LAYER)
    check_weight(module, integers, zeros, scale.bfloat16(), 3, torch.arange(IN) // 32)


def test_the_integers_of_compressed_tensors_of_8_bits(source, tmp_path):
    integers = torch.randint(-128, 128, (OUT, IN), dtype=torch.int8)
    integers[0, 0] = -128
    settings = _group(8, strategy="channel", group_size=None, symmetric=True) | {"format": "int-quantized"}
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, {"weight": integers, "weight_scale": torch.full((OUT, 1), 0.25)}, settings)
    module = taken(folder, tmp_path).module.get_submodule(LAYER)
    assert torch.equal(module.weight, integers)
    assert module.format.grid.qmin == -128


def test_what_is_quantized_stays_as_it_is(source, tmp_path):
    integers, zeros, scale = drawn(4, low=1)
    index = torch.arange(IN, dtype=torch.int32) // 32
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, gptq(integers, zeros - 1, scale, 4, index), settings_of(4))
    model = taken(folder, tmp_path)
    before = model.module.get_submodule(LAYER).weight.clone()
    keep(tmp_path / "model", tmp_path / "kept")
    assert torch.equal(load(tmp_path / "kept").module.get_submodule(LAYER).weight, before)
    sample = Sample({"input_ids": torch.arange(32).reshape(4, 8).numpy()})
    result = aq.quantize(model, sample, AqRecipe(bits=4, group=32))
    assert LAYER in {item.module for item in result.skipped}
    aq.save(result, tmp_path / "model", tmp_path / "aq")
    again = load(tmp_path / "aq")
    assert torch.equal(again.module.get_submodule(LAYER).weight, before)
    constants = export(again).state_dict | export(again).constants
    assert torch.equal(constants[f"{LAYER}.weight"], before)


@pytest.mark.parametrize(("settings", "expected"), [
    ({"quant_method": "bitsandbytes"}, "quant_method 'bitsandbytes' is not read; awq, compressed-tensors, gptq are"),
    ({"quant_method": "fp8"}, "quant_method 'fp8' is not read"),
    (settings_of(4, checkpoint_format="marlin"), "checkpoint_format 'marlin' is not read"),
    (settings_of(5), "bits: 5 is not read"),
    ({"quant_method": "awq", "version": "gemv", "bits": 4}, "version 'gemv' is not read"),
    (_group(4) | {"format": "nvfp4-pack-quantized"}, "config_groups.group_0: format 'nvfp4-pack-quantized' is not"),
    ({"quant_method": "compressed-tensors"}, "'config_groups' is missing"),
])
def test_what_is_not_read_is_said_in_a_line(settings, expected, source, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, {"weight": torch.zeros(OUT, IN)}, settings)
    with pytest.raises(InputError, match=f"config.json: ?.*{expected}") as caught:
        taken(folder, tmp_path)
    assert "\n" not in str(caught.value)


def test_validate_knows_the_method_without_computing(source, tmp_path):
    rewrite(source, tmp_path, {"weight": torch.zeros(OUT, IN)}, {"quant_method": "fp8"})
    with pytest.raises(InputError, match="quant_method 'fp8' is not read"):
        check(entry(tmp_path), "params.yaml: models.lm", ROOT)


@pytest.mark.parametrize(("change", "expected"), [
    ({"scales": torch.ones(3, OUT)}, f"{LAYER}: scales of shape"),
    ({"qweight": torch.zeros(9, OUT, dtype=torch.int32), "g_idx": None}, f"{LAYER}: qweight of shape"),
    ({"g_idx": torch.zeros(IN, dtype=torch.int32)}, f"{LAYER}: "),
    ({"qzeros": None}, f"{LAYER}: 'qzeros' is missing"),
])
def test_tensors_that_do_not_fit_are_refused_by_name(change, expected, source, tmp_path):
    integers, zeros, scale = drawn(4, low=1)
    packed = gptq(integers, zeros - 1, scale, 4, torch.arange(IN, dtype=torch.int32) // 32)
    packed = {name: value for name, value in (packed | change).items() if value is not None}
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, packed, settings_of(4))
    with pytest.raises(InputError, match=expected):
        taken(folder, tmp_path)


@pytest.mark.slow
def test_the_integers_arrive_in_the_compiled_artifact(source, tmp_path):
    from edgewright import gq, ir, targets
    from edgewright.config.schemes import GqScheme
    from edgewright.go.optimize import optimize

    integers, _, scale = drawn(4)
    index = torch.arange(IN, dtype=torch.int32) // 32
    folder = tmp_path / "source"
    folder.mkdir()
    rewrite(source, folder, gptq(integers, torch.full((OUT, 2), 7), scale, 4, index), settings_of(4, sym=True))
    program, target = export(taken(folder, tmp_path)), targets.load("xnnpack")
    sample = Sample({"input_ids": torch.arange(32).reshape(4, 8).numpy()})
    scheme = GqScheme.model_validate({
        "weights": {"bits": 4, "granularity": "group", "group": 32}, "activations": {"bits": 8, "mode": "dynamic"},
    })
    program = optimize(program, target, (torch.arange(16).reshape(2, 8),)).program
    program = gq.quantize(program, target, scheme, sample).program
    inputs = [tensor.numpy() for tensor in ir.example_inputs(program, 1)[0]]
    targets.adapter(target).compile(program, target, tmp_path / "out", batch_inputs=inputs)
    nibbles = (integers[:, ::2] | (integers[:, 1::2] << 4)).to(torch.uint8).numpy().tobytes()
    assert nibbles in next((tmp_path / "out").glob("*.pte")).read_bytes()

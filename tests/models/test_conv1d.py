import json
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgewright import aq
from edgewright.aq.report import QuantizedModel
from edgewright.config import ModelEntry
from edgewright.errors import InputError
from edgewright.models import quantized
from edgewright.models.load import fetch, load
from edgewright.rounding import Grid, min_max, quantize
from tests.support import ROOT

IDS = torch.arange(16).reshape(2, 8)
LAYER = "transformer.h.0.attn.c_attn"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """A small random GPT-2 of transformers, and its folder as the model stage writes it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=48, n_embd=32, n_layer=1, n_head=2, n_positions=16)).eval()
    nn.init.normal_(model.transformer.h[0].attn.c_attn.bias)
    source, folder = tmp_path_factory.mktemp("gpt2-source"), tmp_path_factory.mktemp("gpt2")
    model.save_pretrained(source)
    entry = ModelEntry(task="language-modeling", source=str(source), calibration="c", holdout="h",
                       export={"sequence": 8})
    fetch(entry, folder, ROOT)
    return model, folder


def test_a_conv1d_becomes_a_linear_of_the_same_function_and_name(gpt2):
    model, folder = gpt2
    own = load(folder).module
    assert type(own.get_submodule(LAYER)) is nn.Linear
    assert torch.equal(own.get_submodule(LAYER).weight, model.get_submodule(LAYER).weight.mT)
    assert own.lm_head.weight is own.transformer.wte.weight
    with torch.no_grad():
        torch.testing.assert_close(own(IDS), model(input_ids=IDS).logits)


def test_its_integers_come_back_and_transformers_loads_the_float_values(gpt2, tmp_path):
    from transformers import AutoModelForCausalLM

    _, folder = gpt2
    own = load(folder).module
    weight, grid = own.get_submodule(LAYER).weight, Grid(4, True, 16)
    new = quantized.replace(own, LAYER, quantized.WeightFormat(grid, tuple(weight.shape)))
    new.assign(quantize(weight, *min_max(weight, grid), grid))
    result = QuantizedModel(own, {}, (), (), {})
    aq.save(result, folder, tmp_path / "aq")
    report = json.loads((tmp_path / "aq/layers.json").read_text())["checkpoint"]
    assert report["layout"] == "native"
    assert report["reason"].startswith(f"{LAYER}: it is a Conv1D")
    with pytest.raises(InputError, match=f"{LAYER}: it is a Conv1D"):
        aq.save(result, folder, tmp_path / "other", ("gptq",))
    aq.save(result, folder, tmp_path / "float", ("dequantized",))
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "aq").module(IDS), own(IDS))
        assert torch.equal(load(tmp_path / "float").module(IDS), own(IDS))
        logits = AutoModelForCausalLM.from_pretrained(tmp_path / "float")(input_ids=IDS).logits
        torch.testing.assert_close(logits, own(IDS))


def test_conv1d_that_stayed_float_beside_integers_is_turned_too(gpt2, tmp_path):
    _, source = gpt2
    folder, head = tmp_path / "packed", torch.randint(-128, 128, (48, 32), dtype=torch.int8)
    copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors |= {"lm_head.weight": head, "lm_head.weight_scale": torch.ones(48, 1)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    settings = {"quant_method": "compressed-tensors", "format": "int-quantized",
                "config_groups": {"group_0": {"targets": ["lm_head"], "weights": weights}}}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    own, expected = load(folder).module, load(source).module
    for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc"):
        layer = f"transformer.h.0.{name}"
        assert torch.equal(own.get_submodule(layer).weight, expected.get_submodule(layer).weight)
    assert torch.equal(own.lm_head.weight, head)

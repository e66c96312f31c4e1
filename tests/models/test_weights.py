"""Weights are mapped and not copied; what does not fit is still refused (see test_load)."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgewright.errors import InputError
from edgewright.models import huggingface, weights
from edgewright.models.empty import without_weights

IDS = torch.arange(16).reshape(2, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random Llama in bfloat16 whose head is tied."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(path)
    return path


def logits(model):
    with torch.no_grad():
        return model(IDS)


def reference(folder):
    from transformers import AutoModelForCausalLM

    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(input_ids=IDS, use_cache=False).logits


def sharded(folder, to):
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, to / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (to / "model.safetensors.index.json").write_text(json.dumps(index))
    (to / "config.json").write_text((folder / "config.json").read_text())
    return to


def no_transformers(monkeypatch):
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", None)


def test_names_that_fit_are_mapped_and_transformers_loads_nothing(folder, tmp_path, monkeypatch):
    expected = reference(folder)
    parts = sharded(folder, tmp_path)
    no_transformers(monkeypatch)
    for path in (folder, parts):
        model = huggingface.load(path, "language-modeling")
        assert {item.dtype for item in model.parameters()} == {torch.float32}
        assert not any(item.is_meta for item in model.state_dict().values())
        assert model.lm_head.weight is model.model.embed_tokens.weight
        assert torch.equal(logits(model), expected)


def test_stored_keeps_the_dtype(folder):
    model = huggingface.load(folder, "language-modeling", "stored")
    assert {item.dtype for item in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32


def test_writing_to_a_mapped_weight_leaves_the_file_alone(folder):
    before = (folder / "model.safetensors").read_bytes()
    huggingface.load(folder, "language-modeling", "stored").model.norm.weight.fill_(3)
    assert (folder / "model.safetensors").read_bytes() == before


def test_names_that_transformers_converts_are_left_to_it(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.removeprefix("model."): value for name, value in tensors.items()}
    save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    assert torch.equal(logits(huggingface.load(tmp_path, "language-modeling")), reference(folder))


def test_a_shard_that_is_missing_is_refused(folder, tmp_path):
    (sharded(folder, tmp_path) / "b.safetensors").unlink()
    with pytest.raises(InputError, match="transformers cannot load it|does not fit"):
        huggingface.load(tmp_path, "language-modeling")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        weight = nn.Parameter(torch.randn(4, 4))
        self.one, self.other = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.one.weight = weight
        self.other.weight = weight
        self.register_buffer("kept", torch.ones(2))


def test_a_module_without_weights_keeps_its_ties_and_buffers():
    with without_weights():
        net = Tied()
    assert net.one.weight.is_meta
    assert net.one.weight is net.other.weight
    assert torch.equal(net.kept, torch.ones(2))
    assert not nn.Linear(2, 2).weight.is_meta
    value = torch.randn(4, 4)
    weights.fit(net, {"one.weight": value, "kept": torch.zeros(2)}, "file")
    assert net.other.weight is net.one.weight
    assert net.one.weight.data_ptr() == value.data_ptr()
    assert torch.equal(net.kept, torch.zeros(2))


@pytest.mark.parametrize(("values", "expected"), [
    ([1.0, 2.0], True), ([1.0, torch.nan], False), ([torch.inf, 0.0], False), ([-torch.inf, 0.0], False), ([], True),
])
def test_is_finite(values, expected):
    assert weights.is_finite(torch.tensor(values)) == expected
    assert weights.is_finite(torch.tensor([1, 2]))

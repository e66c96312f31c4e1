"""A Hugging Face folder of others is read within itself, runs no code, and what is wrong with it is one line."""

import json
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgewright.errors import InputError
from edgewright.models import huggingface, weights
from edgewright.models.checkpoints import settings
from edgewright.models.documents import read_object
from tests.models.test_load import TIED


def indexed(folder, content):
    (folder / "config.json").write_text("{}")
    (folder / "part.safetensors").touch()
    text = content if isinstance(content, str) else json.dumps({"weight_map": content})
    (folder / "model.safetensors.index.json").write_text(text)
    return folder


@pytest.mark.parametrize(("content", "expected"), [
    ({"a": "../outside.safetensors"}, "weight_map: '../outside.safetensors' is no safetensors file of the folder"),
    ({"a": "/etc/x.safetensors"}, "is no safetensors file of the folder"),
    ({"a": "sub\\x.safetensors"}, "is no safetensors file of the folder"),
    ({"a": "part.safetensors", "b": "model.bin"}, "'model.bin' is no safetensors file of the folder"),
    ({"a": 3}, "weight_map: expected the name of a file"),
    (["part.safetensors"], "weight_map: expected the name of a file"),
    ("{", "not readable JSON"),
    ("[]", "expected a mapping, got a list"),
])
def test_an_index_names_only_safetensors_files_beside_it(content, expected, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "outside.safetensors")
    source = indexed(tmp_path / "in", content)
    for read in (lambda: weights.files(source), lambda: huggingface.load(source, "language-modeling"),
                 lambda: huggingface.fetch(str(source), tmp_path / "out")):
        with pytest.raises(InputError) as caught:
            read()
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").iterdir())


def test_only_the_weights_of_the_index_are_copied(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = indexed(tmp_path / "in", {"a": "part.safetensors"})
    (source / "consolidated.safetensors").touch()
    huggingface.fetch(str(source), tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").glob("*.safetensors")} == {"part.safetensors"}
    (source / "part.safetensors").unlink()
    with pytest.raises(InputError, match=r"part\.safetensors: no such weights file"):
        huggingface.fetch(str(source), tmp_path / "out")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A small random Llama whose head is tied, as save_pretrained writes it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(
        vocab_size=32, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def changed(llama, folder, **fields):
    copytree(llama, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))
    return folder


def test_no_call_of_transformers_asks_whether_to_run_code(llama, tmp_path, monkeypatch):
    import transformers

    given = []

    def spied(cls, name):
        whole = getattr(cls, name)

        def call(*args, **options):
            given.append(options.get("trust_remote_code"))
            return whole(*args, **options)

        monkeypatch.setattr(cls, name, call)

    spied(transformers.AutoConfig, "from_pretrained")
    spied(transformers.AutoModelForCausalLM, "from_config")
    spied(transformers.AutoModelForCausalLM, "from_pretrained")
    folder = changed(llama, tmp_path / "renamed")
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.removeprefix("model."): value for name, value in tensors.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    huggingface.load(folder, "language-modeling")
    assert len(given) >= 3
    assert all(value is False for value in given)


def test_another_file_of_weights_that_the_configuration_names_is_refused(llama, tmp_path):
    folder = changed(llama, tmp_path / "named", transformers_weights="other.safetensors.index.json")
    with pytest.raises(InputError, match="transformers_weights is not read"):
        huggingface.load(folder, "language-modeling")


@pytest.mark.parametrize(("text", "expected"), [
    ("{", "not readable JSON"), ("[1]", "expected a mapping, got a list"), ("\xff", "not readable JSON"),
    ('{"quantization_config": [1]}', "quantization_config: expected a mapping, got a list"),
    ('{"quantization_config": {"quant_method": ["gptq"]}}', "is not read"),
])
def test_a_malformed_configuration_is_one_line(text, expected, tmp_path):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"config\.json: ") as caught:
        settings(tmp_path)
    assert expected in str(caught.value)


def test_a_mapping_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_object(tmp_path / "a.json") == {"a": 1}


def test_two_tensors_of_one_parameter_are_equal_or_refused(tmp_path):
    scope = {}
    exec(TIED.format(tie="self.head.weight = self.embed.weight"), scope)
    one = torch.randn(5, 6)
    weights.fit(scope["create"](), {"embed.weight": one, "head.weight": one.clone()}, "w")
    with pytest.raises(InputError, match=r"w: .*'embed.weight' and 'head.weight' are one parameter in the model and"):
        weights.fit(scope["create"](), {"embed.weight": one, "head.weight": one + 1}, "w")


def test_an_integer_checkpoint_whose_tied_head_differs_is_refused(llama, tmp_path):
    quantized = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    folder = changed(llama, tmp_path / "tied", quantization_config=quantized)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="are one parameter in the model and differ in the file"):
        huggingface.load(folder, "language-modeling")


def test_what_is_float_beside_integers_is_loaded_as_float32(llama, tmp_path):
    folder = changed(llama, tmp_path / "half", quantization_config={"quant_method": "gptq", "bits": 4})
    tensors = {name: value.bfloat16() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = huggingface.load(folder, "language-modeling", "stored")
    assert {value.dtype for value in model.parameters()} == {torch.float32}


class Configured(nn.Module):
    """A model of a factory that happens to have an attribute of that name."""

    def __init__(self, width):
        super().__init__()
        self.config, self.layer = {"width": width}, nn.Linear(width, width)


def test_a_factory_model_with_a_config_is_not_built_again():
    from edgewright.models.checkpoints import dequantized

    assert dequantized.tensors(Configured(4)).keys() == {"layer.weight", "layer.bias"}

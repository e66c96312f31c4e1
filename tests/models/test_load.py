"""Models come in three ways; what is wrong with one is said in a line."""

import os
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgewright import ir
from edgewright.config import ModelEntry
from edgewright.errors import ConfigError, InputError
from edgewright.models.check import check
from edgewright.models.load import export, fetch, load
from edgewright.models.spec import ModelSpec
from tests.support import ROOT, SAMPLES, entry_of

RESNET = "data/samples/models/resnet8_cifar10/model.safetensors"


def test_language_model(loaded):
    model = loaded("english_llama")
    assert model.spec.parameters == 3_672_320
    assert model.spec.vocabulary == 2048
    assert model.module(torch.zeros(2, 256, dtype=torch.int64)).shape == (2, 256, 2048)


def test_factory(loaded, model_folder):
    model = loaded("resnet8_cifar10")
    assert model.spec == ModelSpec.read(model_folder("resnet8_cifar10"))
    assert [item.name for item in model.spec.inputs] == ["x"]
    assert model.module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_exported_program(loaded, tmp_path):
    original = loaded("resnet8_cifar10")
    ir.save(export(original), tmp_path / "net.pt2")
    entry = ModelEntry(task="image-classification", program="net.pt2", calibration="c", holdout="h")
    folder = tmp_path / "model"
    folder.mkdir()
    fetch(entry, folder, tmp_path)
    again = load(folder)
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(again.module(images), original.module(images))
    scopes = {ir.scope(node) for node in export(again).graph.nodes if node.op == "call_function"}
    assert "stage1.conv1" in scopes


def fetch_changed(tmp_path, **changes):
    entry = entry_of("resnet8_cifar10").model_copy(update=changes)
    fetch(entry, tmp_path, ROOT)


def test_weights_that_do_not_fit(tmp_path):
    other = "data/samples/models/resnet20_cifar10/model.safetensors"
    with pytest.raises(InputError, match="does not fit the model: unknown tensor 'bn1.bias'"):
        fetch_changed(tmp_path, weights=other)


def test_weights_of_another_shape(tmp_path):
    tensors = load_file(ROOT / RESNET)
    tensors["fc.weight"] = torch.zeros(11, 64)
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"'fc.weight' has shape \[11, 64\], the model's has \[10, 64\]"):
        fetch_changed(tmp_path, weights=str(tmp_path / "w.safetensors"))


def test_weights_with_nan(tmp_path):
    tensors = load_file(ROOT / RESNET)
    tensors["fc.weight"][0, 0] = torch.nan
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="'fc.weight' holds NaN or infinite values"):
        fetch_changed(tmp_path, weights=str(tmp_path / "w.safetensors"))


class Payload:
    def __reduce__(self):
        return os.system, ("touch pickled-code-ran",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Payload()}, tmp_path / "w.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Payload()))
    for name in ("w.pt", "raw.pt"):
        with pytest.raises(InputError, match="refused"):
            fetch_changed(tmp_path, weights=str(tmp_path / name))
    assert not (tmp_path / "pickled-code-ran").exists()


def test_a_plain_state_dict_is_accepted(tmp_path):
    torch.save(load_file(ROOT / RESNET), tmp_path / "w.pt")
    fetch_changed(tmp_path, weights=str(tmp_path / "w.pt"))
    assert load_file(tmp_path / "model.safetensors").keys() == load_file(ROOT / RESNET).keys()


def test_corrupt_safetensors(tmp_path):
    (tmp_path / "w.safetensors").write_bytes((ROOT / RESNET).read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        fetch_changed(tmp_path, weights=str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize(("factory", "expected"), [
    ("data.samples.models.resnet8_cifar10.model:create_modl", "has no 'create_modl' (did you mean 'create_model'?)"),
    ("data.samples.models.resnet9.model:create_model", "no module data.samples.models.resnet9.model in the workspace"),
    ("no_such_package.net:create", "no such package is installed"),
])
def test_a_factory_that_does_not_exist(tmp_path, factory, expected):
    with pytest.raises(ConfigError) as caught:
        fetch_changed(tmp_path, factory=factory)
    assert expected in str(caught.value)


def test_no_such_hub_id_is_one_line_without_network(tmp_path):
    entry = ModelEntry(task="language-modeling", source="nobody/nothing", calibration="c", holdout="h")
    with pytest.raises(InputError, match="nobody/nothing: no such folder, and the Hugging Face hub did") as caught:
        fetch(entry, tmp_path, ROOT)
    assert "\n" not in str(caught.value)


def test_a_sequence_longer_than_the_model(tmp_path):
    entry = entry_of("english_llama").model_copy(update={"export": entry_of("english_llama").export.model_copy(
        update={"sequence": 1024})})
    with pytest.raises(InputError, match="exceeds the model's 512 positions"):
        fetch(entry, tmp_path, ROOT)


def test_check_needs_no_torch_and_names_the_key():
    entry = entry_of("resnet8_cifar10").model_copy(update={"weights": "nowhere.safetensors"})
    with pytest.raises(ConfigError, match=r"models\.r8\.weights: no such file: nowhere\.safetensors"):
        check(entry, "params.yaml: models.r8", ROOT)
    entry = entry_of("english_llama").model_copy(update={"source": "data/samples/models/english_lama"})
    with pytest.raises(ConfigError, match="no such folder"):
        check(entry, "params.yaml: models.lm", ROOT)
    check(entry_of("english_llama"), "params.yaml: models.lm", ROOT)


def test_samples_are_where_the_readme_says():
    assert {path.name for path in SAMPLES.glob("*.parquet")} >= {"cifar10_test.parquet", "english_eval.parquet"}

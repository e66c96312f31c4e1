"""Models come in three ways; what is wrong with one is said in a line."""

import os
import pickle
import subprocess
import sys
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgewright import ir
from edgewright.config import ModelEntry
from edgewright.errors import ConfigError, InputError
from edgewright.models import factory, huggingface
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


class FixedBatch(torch.nn.Module):
    def forward(self, x):
        return x.reshape(4, 6) * 2


@pytest.mark.parametrize(("net", "batch"), [(FixedBatch(), 4), (torch.nn.Linear(6, 2), None)])
def test_the_batch_of_an_exported_program(tmp_path, net, batch):
    ir.save(ir.export(net.eval(), [((6,), torch.float32)], 4), tmp_path / "net.pt2")
    entry = ModelEntry(task="regression", program="net.pt2", calibration="c", holdout="h", export={"batch": 4})
    folder = tmp_path / "model"
    folder.mkdir()
    fetch(entry, folder, tmp_path)
    assert load(folder).batch == batch
    assert '"batch"' not in (folder / "model.json").read_text()


TIED = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = torch.nn.Embedding(5, 6), torch.nn.Linear(6, 5, bias=False)
        {tie}

    def forward(self, x):
        return self.head(self.embed(x))

def create():
    return Net()
"""


@pytest.mark.parametrize("tie", ["self.head.weight = self.embed.weight", ""])
def test_tied_weights_in_a_plain_file(tmp_path, tie):
    name = f"tied_net_{len(tie)}"
    (tmp_path / f"{name}.py").write_text(TIED.format(tie=tie))
    weight = torch.nn.Parameter(torch.randn(5, 6))
    torch.save({"embed.weight": weight, "head.weight": weight}, tmp_path / "w.pt")
    entry = ModelEntry(task="regression", factory=f"{name}:create", weights="w.pt", calibration="c", holdout="h",
                       input={"shape": [3], "dtype": "int64"})
    folder = tmp_path / "model"
    folder.mkdir()
    fetch(entry, folder, tmp_path)
    assert len(load_file(folder / "model.safetensors")) == (1 if tie else 2)
    ids = torch.arange(3).unsqueeze(0)
    assert torch.equal(load(folder, tmp_path).module(ids), weight[:3].mm(weight.mT).unsqueeze(0))


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


@pytest.mark.parametrize(("name", "code", "expected"), [
    ("broken_syntax", "def create(:", "SyntaxError: "),
    ("broken_number", "1 / 0", "ZeroDivisionError: division by zero"),
    ("broken_import", "from math import no_such_thing", "ImportError: cannot import name 'no_such_thing'"),
    ("broken_package", "import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
])
def test_a_factory_that_fails_on_import(tmp_path, name, code, expected):
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(InputError) as caught:
        factory.build(f"{name}:create", tmp_path)
    assert str(caught.value).startswith(f"factory '{name}:create' failed: {expected}")


def test_a_module_that_does_not_exist_in_a_package(tmp_path):
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "__init__.py").touch()
    with pytest.raises(ConfigError, match=r"no module some_package\.gone"):
        factory.build("some_package.gone:create", tmp_path)


@pytest.mark.parametrize(("tensor", "value", "expected"), [
    ("model.layers.0.mlp.down_proj.weight", None, r"'model\.layers\.0\.mlp\.down_proj\.weight' is missing \(1 in all"),
    ("model.layers.0.mlp.down_proj.weight", torch.zeros(3, 3), r"has shape \[3, 3\], the model's has \[64, 172\]"),
    ("extra", torch.zeros(2), r"'extra' is unknown \(1 in all"),
])
def test_hugging_face_weights_that_do_not_fit(tmp_path, tensor, value, expected):
    copytree(SAMPLES / "models/stories260k_llama", tmp_path / "source")
    path = tmp_path / "source/model.safetensors"
    tensors = load_file(path)
    tensors.pop(tensor, None)
    save_file(tensors if value is None else {**tensors, tensor: value}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"does not fit the model: .*{expected}"):
        huggingface.load(tmp_path / "source", "language-modeling")


def test_corrupt_hugging_face_weights(tmp_path):
    copytree(SAMPLES / "models/stories260k_llama", tmp_path / "source")
    path = tmp_path / "source/model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="transformers cannot load it"):
        huggingface.load(tmp_path / "source", "language-modeling")


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


def test_check_needs_no_torch():
    script = (
        "import sys; from edgewright.models.check import check; from tests.support import ROOT, entry_of\n"
        "check(entry_of('resnet8_cifar10'), 'params.yaml: models.r8', ROOT)\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_check_names_the_key():
    entry = entry_of("resnet8_cifar10").model_copy(update={"weights": "nowhere.safetensors"})
    with pytest.raises(ConfigError, match=r"models\.r8\.weights: no such file: nowhere\.safetensors"):
        check(entry, "params.yaml: models.r8", ROOT)
    entry = entry_of("english_llama").model_copy(update={"source": "data/samples/models/english_lama"})
    with pytest.raises(ConfigError, match="no such folder"):
        check(entry, "params.yaml: models.lm", ROOT)
    check(entry_of("english_llama"), "params.yaml: models.lm", ROOT)


def test_samples_are_where_the_readme_says():
    assert {path.name for path in SAMPLES.glob("*.parquet")} >= {"cifar10_test.parquet", "english_eval.parquet"}

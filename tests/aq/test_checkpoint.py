import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgewright import aq
from edgewright.aq.keep import keep
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.errors import InputError
from edgewright.models import quantized
from edgewright.models.load import load
from tests.aq.nets import make
from tests.support import ROOT


def _sample(model):
    rng = np.random.default_rng(0)
    shape, dtype = model.spec.inputs[0].shape, model.spec.inputs[0].dtype
    if dtype == "int64":
        return Sample({"input_ids": rng.integers(3, 500, (4, 48))})
    return Sample({"x": rng.standard_normal((4, *shape)).astype(np.float32)})


@pytest.mark.parametrize(
    ("name", "group", "tensor"),
    [
        ("stories260k_llama", 32, "model.layers.2.mlp.down_proj"),
        ("resnet8_cifar10", None, "stage2.conv1"),
        ("autoencoder_toycar", 8, "net.12"),
    ],
)
def test_a_checkpoint_loads_as_what_was_saved(name, group, tensor, model_folder, tmp_path):
    source = model_folder(name)
    model = load(source, ROOT)
    sample = _sample(model)
    result = aq.quantize(model, sample, AqRecipe(algorithms=("awq",), bits=4, group=group))
    aq.save(result, source, tmp_path / "aq")
    again = load(tmp_path / "aq", ROOT)
    x = torch.from_numpy(next(sample.batches(4))[0])
    with torch.no_grad():
        assert torch.equal(again.module(x), model.module(x))
    assert again.spec == model.spec
    tensors = load_file(tmp_path / "aq" / "model.safetensors")
    assert tensors[f"{tensor}.weight"].dtype == torch.int8
    assert tensors[f"{tensor}.weight_zero_point"].dtype == torch.int8
    assert tensors[f"{tensor}.weight"].abs().max() <= 8
    kept = {file.name for file in source.iterdir()} | {"quantization.json", "layers.json"}
    assert {file.name for file in (tmp_path / "aq").iterdir()} == kept
    rows = json.loads((tmp_path / "aq" / "layers.json").read_text())
    assert rows["schema"] == 1
    assert {row["module"] for row in rows["modules"]} == quantized.read(tmp_path / "aq").keys()
    assert {"module", "class", "bits", "group", "weight_mse", "output_mse", "output_snr_db", "rtn_output_mse",
            "algorithm"} <= rows["modules"][0].keys()


def test_a_float_build_has_the_keys_of_a_quantized_one(tmp_path):
    (tmp_path / "source").mkdir()
    aq.save(aq.quantize(*make("mlp"), AqRecipe()), tmp_path / "source", tmp_path / "aq")
    keep(tmp_path / "source", tmp_path / "kept")
    quantized_rows, rows = (json.loads((tmp_path / name / "layers.json").read_text()) for name in ("aq", "kept"))
    assert rows == {**{key: [] for key in quantized_rows}, "schema": 1, "transforms": {}}


def test_a_quantized_head_is_untied(model_folder, tmp_path):
    source = model_folder("stories260k_llama")
    model = load(source, ROOT)
    sample = _sample(model)
    recipe = AqRecipe(bits=8, layers={"lm_head": {"bits": 8}, "model.layers": "skip"})
    aq.save(aq.quantize(model, sample, recipe), source, tmp_path / "aq")
    assert quantized.read(tmp_path / "aq").keys() == {"lm_head"}
    x = torch.from_numpy(next(sample.batches(4))[0])
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "aq", ROOT).module(x), model.module(x))


def test_a_checkpoint_that_does_not_fit_is_refused(model_folder, tmp_path):
    source = model_folder("autoencoder_toycar")
    model = load(source, ROOT)
    aq.save(aq.quantize(model, _sample(model), AqRecipe()), source, tmp_path / "aq")
    content = json.loads((tmp_path / "aq" / "quantization.json").read_text())
    content["modules"]["net.99"] = content["modules"]["net.0"]
    (tmp_path / "aq" / "quantization.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"net\.99"):
        load(tmp_path / "aq", ROOT)

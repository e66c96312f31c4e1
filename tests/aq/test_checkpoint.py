import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgewright import aq
from edgewright.aq.keep import keep
from edgewright.aq.report import QuantizedModel
from edgewright.config import AqRecipe, ModelEntry
from edgewright.datasets.sample import Sample
from edgewright.errors import InputError
from edgewright.models import quantized
from edgewright.models.checkpoints import native
from edgewright.models.load import fetch, load
from edgewright.rounding import Grid, min_max, quantize
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
    assert json.loads((tmp_path / "aq" / "layers.json").read_text())["checkpoint"]["layout"] == "native"
    rows = json.loads((tmp_path / "aq" / "layers.json").read_text())
    assert rows["schema"] == 1
    assert {row["module"] for row in rows["modules"]} == native.read(tmp_path / "aq").keys()
    assert {"module", "class", "bits", "group", "weight_mse", "output_mse", "output_snr_db", "rtn_output_mse",
            "algorithm"} <= rows["modules"][0].keys()


def test_a_float_build_has_the_keys_of_a_quantized_one(tmp_path):
    (tmp_path / "source").mkdir()
    aq.save(aq.quantize(*make("mlp"), AqRecipe()), tmp_path / "source", tmp_path / "aq")
    keep(tmp_path / "source", tmp_path / "kept")
    quantized_rows, rows = (json.loads((tmp_path / name / "layers.json").read_text()) for name in ("aq", "kept"))
    assert rows.keys() == quantized_rows.keys()
    assert rows["modules"] == rows["skipped"] == rows["failures"] == []
    assert rows["checkpoint"].keys() == quantized_rows["checkpoint"].keys()


def test_a_quantized_head_is_untied(model_folder, tmp_path):
    source = model_folder("stories260k_llama")
    model = load(source, ROOT)
    sample = _sample(model)
    recipe = AqRecipe(bits=8, layers={"lm_head": {"bits": 8}, "model.layers": "skip"})
    aq.save(aq.quantize(model, sample, recipe), source, tmp_path / "aq")
    config = json.loads((tmp_path / "aq" / "config.json").read_text())
    assert not config["tie_word_embeddings"]
    assert "model.layers.0.mlp.up_proj" in config["quantization_config"]["ignore"]
    assert list(quantized.quantized_modules(load(tmp_path / "aq", ROOT).module)) == ["lm_head"]
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


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """Folder of a small random Llama, as the model stage writes it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    source, folder = tmp_path_factory.mktemp("llama-source"), tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(source)
    entry = ModelEntry(task="language-modeling", source=str(source), calibration="c", holdout="h",
                       export={"sequence": 8})
    fetch(entry, folder, ROOT)
    return folder


def _rounded(folder, grids):
    """The model with its Linear layers in blocks rounded to the grids in turn, and its report."""
    model = load(folder, ROOT).module
    layers = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for index, name in enumerate(name for name in layers if name != "lm_head"):
        grid, weight = grids[index % len(grids)], model.get_submodule(name).weight
        if grid is not None:
            new = quantized.replace(model, name, quantized.WeightFormat(grid, tuple(weight.shape)))
            new.assign(quantize(weight, *min_max(weight, grid), grid))
    return QuantizedModel(model, {}, (), (), {})


IDS = torch.arange(16).reshape(2, 8)
FORMS = {
    "w4 symmetric": [Grid(4, True, 32)], "w4 asymmetric": [Grid(4, False, 32)], "w8": [Grid(8, True)],
    "w3": [Grid(3, False, 32)], "w2": [Grid(2, False)], "w5": [Grid(5, True, 32)],
    "mixed": [Grid(4, True, 32), Grid(8, True), None], "mxfp4": [Grid(4, True, 32, "mxfp4")],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", ["compressed-tensors", "dequantized"])
def test_transformers_loads_a_checkpoint_with_equal_logits(form, layout, language_model, tmp_path):
    import transformers

    if layout == "compressed-tensors":
        pytest.importorskip("compressed_tensors")
    result = _rounded(language_model, FORMS[form])
    aq.save(result, language_model, tmp_path, (layout,))
    transformers.utils.logging.disable_progress_bar()
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        logits = other(input_ids=IDS, use_cache=False).logits
        assert logits.dtype == torch.float32
        assert torch.equal(logits, result.module(IDS))


@pytest.mark.parametrize(("form", "layouts"), [
    ("w4 symmetric", ("gptq", "awq", "compressed-tensors", "dequantized", "native")),
    ("w4 asymmetric", ("awq", "gptq", "compressed-tensors")), ("w8", ("gptq", "compressed-tensors")),
    ("w3", ("gptq", "compressed-tensors")), ("w2", ("gptq", "compressed-tensors")), ("w5", ("compressed-tensors",)),
    ("mixed", ("gptq", "compressed-tensors")), ("mxfp4", ("compressed-tensors", "native")),
])
def test_every_layout_is_read_as_what_was_written(form, layouts, language_model, tmp_path):
    result = _rounded(language_model, FORMS[form])
    aq.save(result, language_model, tmp_path, layouts)
    report = json.loads((tmp_path / "layers.json").read_text())
    assert report["checkpoint"] == {"layout": layouts[0], "reason": "asked for", "further": list(layouts[1:])}
    for index, layout in enumerate(layouts):
        again = load(tmp_path / layout if index else tmp_path, ROOT).module
        with torch.no_grad():
            assert torch.equal(again(IDS), result.module(IDS))
        if layout != "dequantized":
            pairs = zip(quantized.quantized_modules(again).items(),
                        quantized.quantized_modules(result.module).items(), strict=True)
            for (name, one), (wanted, other) in pairs:
                assert name == wanted
                assert torch.equal(one.weight, other.weight)
                assert torch.equal(one.weight_zero_point, other.weight_zero_point)


@pytest.mark.parametrize(("grids", "expected"), [
    ([Grid(4, True, 40)], "its 64 columns are no multiple of the group of 40"),
    ([Grid(4, False, 32), Grid(8, True)], "it has zero points, which transformers loads only where all"),
])
def test_what_compressed_tensors_cannot_hold_is_written_natively(grids, expected, language_model, tmp_path):
    result = _rounded(language_model, grids)
    aq.save(result, language_model, tmp_path)
    report = json.loads((tmp_path / "layers.json").read_text())["checkpoint"]
    assert report["layout"] == "native"
    assert report["reason"].startswith(f"model.layers.0.self_attn.q_proj: {expected}")
    with torch.no_grad():
        assert torch.equal(load(tmp_path, ROOT).module(IDS), result.module(IDS))
    with pytest.raises(InputError, match=f"checkpoint: compressed-tensors: model.* {expected}"):
        aq.save(result, language_model, tmp_path, ("compressed-tensors",))


def test_a_layout_of_hugging_face_is_refused_for_another_model(tmp_path):
    (tmp_path / "source").mkdir()
    result = aq.quantize(*make("mlp"), AqRecipe(bits=4))
    with pytest.raises(InputError, match=r"checkpoint: gptq: it is for Hugging Face models, .* no config\.json"):
        aq.save(result, tmp_path / "source", tmp_path / "aq", ("gptq",))


@pytest.mark.parametrize(("fields", "expected"), [
    ({"bits": 5, "group": 32, "checkpoint": ["gptq"]}, r"gptq: model\.layers\.0\..* its integers have 5 bits"),
    ({"bits": 4, "group": 24, "checkpoint": ["compressed-tensors"]}, "compressed-tensors: model"),
])  # fmt: skip
def test_a_layout_that_cannot_hold_a_layer_is_refused_before_the_work(fields, expected, language_model):
    model, steps = load(language_model, ROOT), []
    with pytest.raises(InputError, match=f"checkpoint: {expected}"):
        aq.quantize(model, _sample(model), AqRecipe.model_validate(fields), progress=lambda *step: steps.append(step))
    assert steps == []

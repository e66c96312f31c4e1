import gc
import subprocess
import sys
import weakref
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from edgewright import aq, registry
from edgewright.aq.algorithms import ROUNDERS
from edgewright.aq.rounders import rtn
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.errors import ConfigError, InputError
from edgewright.memory import bounded
from edgewright.models.load import load
from edgewright.models.quantized import QuantizedLinear
from tests.aq.nets import NETS, make, outputs, relative
from tests.support import ROOT


@pytest.mark.parametrize("net", NETS)
def test_a_model_of_any_structure_is_quantized(net):
    model, sample = make(net)
    before = outputs(model, sample)
    result = aq.quantize(model, sample, AqRecipe(algorithms=("awq",), bits=8))
    assert {row.module for row in result.layers} == result.formats.keys()
    assert relative(outputs(model, sample), before) < 0.05
    for row in result.layers:
        assert row.output_snr_db is None or row.output_snr_db > 25
    done, left = result.transforms["awq"].layers, result.transforms["awq"].skipped
    assert {*done, *(item.module for item in left)} == result.formats.keys()
    assert all(item.reason for item in left)
    assert all(("awq" in row.algorithm) == (row.module in done) for row in result.layers)


@pytest.mark.parametrize(("net", "head"), [("llama", "net.lm_head"), ("skips", "head"), ("unpacked", "head")])
def test_streamed_blocks_give_what_the_whole_model_gives(monkeypatch, net, head):
    recipe = AqRecipe(algorithms=("awq",), bits=4, group=8, clip=True, layers={head: {"bits": 8}})
    model, sample = make(net)
    streamed = aq.quantize(model, sample, recipe)
    monkeypatch.setattr("edgewright.aq.driver.find_blocks", lambda *_: None)
    other, sample = make(net)
    whole = aq.quantize(other, sample, recipe)
    assert [row.module for row in streamed.layers] == [row.module for row in whole.layers]
    for one, two in zip(streamed.layers, whole.layers, strict=True):
        assert one.output_mse == pytest.approx(two.output_mse, rel=1e-4)
        assert one.rtn_output_mse == pytest.approx(two.rtn_output_mse, rel=1e-4)
    assert relative(outputs(model, sample), outputs(other, sample)) < 1e-4


def test_rtn_reports_itself_as_the_reference():
    model, sample = make("cnn")
    for row in aq.quantize(model, sample, AqRecipe(bits=4)).layers:
        assert row.algorithm == "rtn"
        assert row.output_mse == pytest.approx(row.rtn_output_mse)


def test_the_reported_error_is_the_error():
    model, sample = make("mlp")
    x = torch.from_numpy(sample.inputs["x"])
    expected = model.module[0](x)
    result = aq.quantize(model, sample, AqRecipe(bits=3, clip=True))
    measured = (model.module[0](x) - expected).square().mean()
    assert result.layers[0].output_mse == pytest.approx(float(measured), rel=1e-4)


class _Sequential(rtn.Algorithm):
    quantized_inputs = True
    targets = True
    seen: ClassVar[list[tuple[str, float]]] = []

    def round(self, block, layers):
        if block.name:
            type(self).seen.append((block.name, relative(block.run(0), block.targets[0])))
        for name in layers:
            yield from super().round(block, [name])
            block.changed()


def test_a_rounder_can_ask_for_inputs_that_are_quantized(monkeypatch):
    class Module:
        Options, Algorithm = rtn.Options, _Sequential

    load_module = registry.load

    def load_one(package, name):
        return Module if package == ROUNDERS else load_module(package, name)

    monkeypatch.setattr(registry, "load", load_one)
    _Sequential.seen = []
    model, sample = make("llama")
    aq.quantize(model, sample, AqRecipe(bits=3, clip=True))
    errors = dict(_Sequential.seen)
    assert list(errors) == [f"net.model.layers.{index}" for index in range(3)]
    assert errors["net.model.layers.0"] < 1e-5
    assert errors["net.model.layers.1"] > 1e-3


def test_progress_names_every_layer():
    model, sample = make("layer-norm")
    calls = []
    aq.quantize(model, sample, AqRecipe(), progress=lambda *call: calls.append(call))
    assert calls[0] == (0, 9, "blocks.0: calibration")
    assert calls[-1] == (9, 9, "head")
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)


def test_threads_are_what_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        aq.quantize(*make("mlp"), AqRecipe())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_bad_samples_are_refused():
    model, sample = make("mlp")
    sample.inputs["x"][3, 2] = np.nan
    with pytest.raises(InputError, match="0: its input holds NaN"):
        aq.quantize(model, sample, AqRecipe(clip=True))
    with pytest.raises(InputError, match="the calibration sample is empty"):
        aq.quantize(model, sample.head(0), AqRecipe())


def test_options_of_an_algorithm_that_is_not_used_are_refused():
    with pytest.raises(ConfigError, match=r"options\.awq"):
        aq.quantize(*make("mlp"), AqRecipe(options={"awq": {"steps": 5}}))


def test_ragged_groups_on_the_shipped_model(model_folder):
    model = load(model_folder("stories260k_llama"), ROOT)
    ids = np.random.default_rng(0).integers(3, 500, (8, 64))
    result = aq.quantize(model, Sample({"input_ids": ids}), AqRecipe(algorithms=("awq",), bits=4, group=32))
    assert len(result.layers) == 35
    assert [item.module for item in result.skipped] == ["lm_head"]
    down = model.module.get_submodule("model.layers.0.mlp.down_proj")
    assert isinstance(down, QuantizedLinear)
    assert tuple(down.weight_scale.shape) == (64, 6)
    assert result.transforms["awq"].skipped == ()


def test_the_order_of_the_samples_changes_no_bit():
    for name in ("llama", "cnn"):
        model, sample = make(name)
        recipe = AqRecipe(algorithms=("awq",), bits=3, clip=True)
        aq.quantize(model, sample, recipe)
        other, _ = make(name)
        shuffled = np.random.default_rng(1).permutation(len(sample))
        aq.quantize(other, Sample({"x": sample.inputs["x"][shuffled]}), recipe)
        assert torch.equal(outputs(model, sample), outputs(other, sample))


def test_layers_of_a_pattern_have_their_own_format_and_clipping():
    model, sample = make("llama")
    layers = {"*.q_proj": {"format": "mxfp4"}, "*.k_proj": {"clip": True, "bits": 3}, "*.v_proj": {"bits": 2}}
    result = aq.quantize(model, sample, AqRecipe(bits=8, layers=layers))
    found = {row.module.rsplit(".", 1)[1]: (row.format, row.bits) for row in result.layers}
    assert found["q_proj"] == ("mxfp4", 4)
    assert (found["k_proj"], found["v_proj"], found["o_proj"]) == (("int", 3), ("int", 2), ("int", 8))
    errors = {row.module: (row.output_mse, row.rtn_output_mse) for row in result.layers if "k_proj" in row.module}
    assert all(ours < plain for ours, plain in errors.values())


def test_weights_of_16_bits_are_widened_block_by_block():
    model, sample = make("llama")
    model.module.bfloat16()
    expected, _ = make("llama")
    expected.module.bfloat16().float()
    recipe = AqRecipe(algorithms=("awq",), bits=4, group=8)
    aq.quantize(model, sample, recipe)
    aq.quantize(expected, sample, recipe)
    assert {value.dtype for value in model.module.state_dict().values()} == {torch.float32, torch.int8}
    assert torch.equal(outputs(model, sample), outputs(expected, sample))


def test_the_float_weights_of_a_finished_block_are_given_up():
    model, sample = make("llama")
    model.module.bfloat16()
    weights = [weakref.ref(layer.self_attn.v_proj.weight) for layer in model.module.net.model.layers]
    alive = []

    def watch(done, total, scope):
        if scope.endswith("calibration"):
            gc.collect()
            alive.append(sum(weight() is not None for weight in weights))

    aq.quantize(model, sample, AqRecipe(algorithms=("awq",), bits=4, group=8), progress=watch)
    assert alive == [3, 2, 1, 0]


def test_targets_are_what_the_float_model_gives(monkeypatch):
    found = {}

    class Watching(rtn.Algorithm):
        quantized_inputs = targets = True

        def round(self, block, layers):
            found[block.name] = torch.cat([block.targets[batch] for batch in range(block.batches)])
            yield from super().round(block, layers)

    class Module:
        Options, Algorithm = rtn.Options, Watching

    load_module = registry.load
    monkeypatch.setattr(
        registry, "load", lambda package, name: Module if package == ROUNDERS else load_module(package, name)
    )
    for name in ("llama", "mlp"):
        model, sample = make(name)
        expected = outputs(model, sample)
        aq.quantize(model, sample, AqRecipe(bits=2))
        assert torch.allclose(found[""].sort(0).values, expected.sort(0).values, atol=1e-5)


def test_transforms_run_in_the_order_of_the_recipe():
    recipe = AqRecipe(algorithms=("smoothquant", "awq", "gptq"), layers={"*q_proj": {"algorithms": ["awq", "gptq"]}})
    result = aq.quantize(*make("llama"), recipe)
    assert list(result.transforms) == ["smoothquant", "awq"]


def test_a_rotation_is_named_with_the_layers_that_it_changed():
    result = aq.quantize(*make("llama"), AqRecipe(algorithms=("quarot", "awq"), bits=4))
    assert {row.algorithm for row in result.layers if row.module.endswith("up_proj")} == {"quarot+awq+rtn"}


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device: cuda: this machine has no CUDA device"):
        aq.quantize(*make("mlp"), AqRecipe(device="cuda"))
    assert aq.quantize(*make("mlp"), AqRecipe(device="auto")).device == "cpu"


_BYTES = """
import sys, torch
torch.set_num_threads(int(sys.argv[1]))
from pathlib import Path
from edgewright import aq
from edgewright.config import AqRecipe
from edgewright.files import sha256_tree
from tests.aq.nets import make
for name in ("layer-norm", "cnn"):
    model, sample = make(name)
    recipe = AqRecipe(algorithms=("awq",), bits=4, group=8, clip=True)
    Path(sys.argv[2], "source").mkdir(parents=True, exist_ok=True)
    aq.save(aq.quantize(model, sample, recipe), Path(sys.argv[2], "source"), Path(sys.argv[2], name))
print(sha256_tree(Path(sys.argv[2])))
"""


def test_bytes_do_not_depend_on_threads_or_hash_seed(tmp_path):
    runs = []
    for threads in ("1", "2"):
        environment = {"PYTHONHASHSEED": threads, "PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", _BYTES, threads, str(tmp_path / threads)]
        runs.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=Path(ROOT)))
    digests = [run.communicate()[0].split()[-1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("algorithms", [(), ("awq", "gptq")])
def test_how_memory_is_kept_changes_no_bit(monkeypatch, model_folder, algorithms):
    ids = np.random.default_rng(0).integers(3, 500, (32, 128))
    found = []
    # First without: within a process, glibc does not go back to its own rule.
    for keeper in (nullcontext, bounded):
        monkeypatch.setattr("edgewright.aq.driver.bounded", keeper)
        model = load(model_folder("stories260k_llama"), ROOT)
        aq.quantize(model, Sample({"input_ids": ids}), AqRecipe(algorithms=algorithms, bits=3, group=32))
        found.append({name: value.numpy().tobytes() for name, value in model.module.state_dict().items()})
    assert found[0] == found[1]

"""The integer ONNX of tinpu: the bits of the Program's int64 semantics, in layers as the device has them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from benchmarks.tinpu_integers import SCHEMES, compare, random_subject
from edgewright import gq, ir, targets
from edgewright.config import GqScheme
from edgewright.datasets import Sample
from edgewright.errors import InputError
from edgewright.files import read_json
from edgewright.targets.adapters import _tinpu_reference, tinpu
from tests.support import ROOT

TARGET = targets.load("tinpu")
SEQUENCE = ["Add", "Mul", "Mul", "Floor", "Clip"]
BIAS_BITS = {"w8a8": 24, "w4a8": 16, "w2a8": 16}


class Net(nn.Module):
    def __init__(self, inputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(inputs, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = F.max_pool2d(F.hardtanh(self.depthwise(x), -0.5, 0.75), 2)
        x = F.avg_pool2d(torch.relu(self.pointwise(x)), 2)
        return self.fc(torch.flatten(x.mean((2, 3), keepdim=True), 1))


def images(count: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, channels, 8, 8)).astype(np.float32)


def quantized(net: nn.Module, scheme: str, channels: int = 1, **layers: Any) -> gq.Quantized:
    program = ir.export(net.eval(), [((channels, 8, 8), torch.float32)])
    wanted = GqScheme.model_validate({**SCHEMES[scheme], **layers})
    return gq.quantize(program, TARGET, wanted, Sample(inputs={"x": images(16, channels)}))


def compiled(program: ExportedProgram, folder: Path, batch: np.ndarray) -> tuple[onnx.ModelProto, targets.Adapter]:
    tinpu.compile(program, TARGET, folder, batch_inputs=(batch,))
    return onnx.load(folder / "model.onnx"), tinpu


@pytest.fixture(scope="module", params=SCHEMES)
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("tinpu") / "artifact"
    program = quantized(Net(), request.param).program
    model, _ = compiled(program, folder, images(4))
    return request.param, program, model, folder


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


@pytest.mark.parametrize(
    ("scheme", "seed"), [("w8a8", 0), ("w8a8", 1), ("w4a8", 1), ("w4a8", 2), ("w2a8", 0), ("w2a8", 2)]
)
def test_bits_are_those_of_the_integer_semantics(scheme: str, seed: int) -> None:
    row = compare(scheme, random_subject(seed, 50), GqScheme.model_validate(SCHEMES[scheme]))
    assert (row.outputs, row.different) == (500, 0)
    assert row.layers >= 8
    assert row.steps <= 3


@pytest.mark.parametrize("name", ["bias", "multiplier", "shift"])
def test_another_integer_anywhere_would_be_seen(artifact, name: str, tmp_path: Path) -> None:
    _, program, model, _ = artifact
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    (item,) = [item for item in changed.graph.initializer if item.name.startswith(f"fc.{name}")]
    values = numpy_helper.to_array(item)
    (shift,) = (value for key, value in constants(model).items() if key.startswith("fc.shift"))
    step = {"bias": 0.5 / shift, "multiplier": 1}
    other = values * 0.5 if name == "shift" else values + step[name]
    item.CopyFrom(numpy_helper.from_array(other.astype(values.dtype), item.name))
    onnx.save(changed, tmp_path / "model.onnx")
    wanted, _ = _tinpu_reference.run(program, TARGET, (images(4),))
    assert (tinpu.session(tmp_path, TARGET, 1)((images(4),)) != wanted).any()


def test_every_layer_is_the_sequence_of_the_device(artifact) -> None:
    scheme, _, model, _ = artifact
    values = constants(model)
    nodes = [node for node in model.graph.node if node.op_type != "Cast"]
    kinds = [node.op_type for node in nodes]
    starts = [index for index, kind in enumerate(kinds) if kind in ("Conv", "MatMul", "ReduceSum")]
    assert len(starts) == 6
    for start in starts:
        assert kinds[start + 1 : start + 6] == SEQUENCE
        bias, multiplier, shift = (values[nodes[start + 1 + index].input[1]] for index in range(3))
        assert (np.rint(bias) == bias).all()
        assert np.abs(bias).max() < 2 ** (BIAS_BITS[scheme] - 1)
        is_weighted = nodes[start].input[1].endswith("levels")
        assert (np.rint(multiplier) == multiplier).all()
        assert ((multiplier >= 1) & (multiplier <= (1 if is_weighted and scheme == "w8a8" else 255))).all()
        assert set(np.frexp(shift)[0].ravel()) == {0.5}
        assert ((shift <= 1) & (shift >= 2.0**-31)).all()
        low, high = (float(values[name]) for name in nodes[start + 5].input[1:])
        assert (low >= 0 and high <= 255) or (low >= -128 and high <= 127)


def test_tensors_between_the_borders_hold_integers(artifact, tmp_path: Path) -> None:
    _, _, model, _ = artifact
    kinds = ("Clip", "Conv", "MatMul", "MaxPool", "ReduceSum", "Floor")
    names = [node.output[0] for node in model.graph.node if node.op_type in kinds]
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    changed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"])
    for value in session.run(names, {"x": images(4)}):
        assert (np.rint(value) == value).all()


def test_weights_are_stored_as_int8(artifact) -> None:
    scheme, _, model, _ = artifact
    stored = {name: value for name, value in constants(model).items() if name.endswith("levels_int8")}
    assert {name.partition(".")[0] for name in stored} == {"first", "depthwise", "pointwise", "fc"}
    bits = int(scheme[1])
    for value in stored.values():
        assert value.dtype == np.int8
        assert -(2 ** (bits - 1)) <= value.min()
        assert value.max() < 2 ** (bits - 1)


def test_manifest_states_the_border_as_the_device_stores_it(artifact) -> None:
    scheme, _, _, folder = artifact
    manifest = read_json(folder / "manifest.json")
    assert (manifest["delegated"], manifest["delegates"]) == (8, 1)
    assert [item["operator"] for item in manifest["not_delegated"]] == ["quantize_per_tensor", "dequantize_per_tensor"]
    (tensor,), (output,) = manifest["inputs"], manifest["outputs"]
    assert (tensor["shape"], tensor["dtype"]) == ([4, 1, 8, 8], "float32")
    for item in (tensor, output):
        assert (item["quantization"]["zero_point"], item["quantization"]["dtype"]) == (0, "int8")
        assert (np.frexp(item["quantization"]["scale"])[0] == 0.5) == (scheme == "w8a8")


def test_what_the_map_lacks_runs_on_the_cpu_with_its_reason(tmp_path: Path) -> None:
    class Residual(Net):
        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.first(x))
            x = torch.sigmoid(self.depthwise(x)) + x
            return self.fc(self.pointwise(x).mean((2, 3)))

    result = quantized(Residual(3), "w8a8", 3)
    reasons = {item["operator"]: item["reason"] for item in result.encodings["left_float"]}
    assert reasons["conv2d"] == "tinpu has no kernel for it: its 3 input channels are not a multiple of 4 nor 1"
    compiled(result.program, tmp_path, images(4, 3))
    left = {item["operator"]: item for item in read_json(tmp_path / "manifest.json")["not_delegated"]}
    assert left["conv2d"]["scope"] == "first"
    assert left["conv2d"]["reason"] == "its 3 input channels are not a multiple of 4 nor 1"
    assert left["sigmoid"]["reason"] == left["add"]["reason"] == "tinpu has no kernel for it"
    found = tinpu.session(tmp_path, TARGET, 1)((images(4, 3),))
    expected = ir.unlift(result.program)(torch.from_numpy(images(4, 3))).detach().numpy()
    step = read_json(tmp_path / "manifest.json")["outputs"][0]["quantization"]["scale"]
    assert np.abs(found - expected).max() <= 2 * step


class Wide(nn.Module):
    """A linear of integer weights in QDQ form: its sums can have any number of bits."""

    def __init__(
        self, integers: Tensor, bias: float, ends: tuple[int, int] = (-127, 127), output: float = 64.0
    ) -> None:
        super().__init__()
        self.register_buffer("weight", integers.to(torch.int8))
        self.register_buffer("scale", torch.full((len(integers),), 2.0**-6))
        self.register_buffer("zero_point", torch.zeros(len(integers), dtype=torch.int64))
        self.register_buffer("bias", torch.full((len(integers),), bias))
        self.ends, self.output = ends, output

    def forward(self, x: Tensor) -> Tensor:
        ops = torch.ops.quantized_decomposed
        weight = ops.dequantize_per_channel(self.weight, self.scale, self.zero_point, 0, *self.ends, torch.int8)
        return _pair(F.linear(_pair(x, 2.0**-5), weight, self.bias), self.output)


def _pair(value: Tensor, scale: float) -> Tensor:
    ops, ends = torch.ops.quantized_decomposed, (0, -128, 127, torch.int8)
    return ops.dequantize_per_tensor(ops.quantize_per_tensor(value, scale, *ends), scale, *ends)


def exported(module: nn.Module, inputs: np.ndarray) -> ExportedProgram:
    ir.register()
    with torch.no_grad():
        return torch.export.export(module.eval(), (torch.from_numpy(inputs),))


def test_sums_beyond_float32_are_split_and_exact(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    integers = torch.randint(100, 128, (8, 4096), generator=generator)
    x = np.random.default_rng(0).uniform(2, 4, (2, 4096)).astype(np.float32)
    x[1, ::2] *= -1
    program = exported(Wide(integers, 1.0), x)
    model, _ = compiled(program, tmp_path, x)
    assert [node.op_type for node in model.graph.node].count("MatMul") == 4
    wanted, _ = _tinpu_reference.run(program, TARGET, (x,))
    assert np.array_equal(tinpu.session(tmp_path, TARGET, 1)((x,)), wanted)
    assert len(np.unique(wanted)) > 1


@pytest.mark.parametrize(
    ("bias", "ends", "message"),
    [
        (5000.0, (-127, 127), "its bias needs 25 bits, the device has 24 with 8-bit weights"),
        (20.0, (-8, 7), "its bias needs 17 bits, the device has 16 with 4-bit weights"),
    ],
)
def test_a_bias_that_does_not_fit_is_refused_with_the_way_out(
    bias: float, ends: tuple[int, int], message: str, tmp_path: Path
) -> None:
    x = np.ones((2, 16), np.float32)
    with pytest.raises(InputError, match=rf"module '0': {message}; .*say float for it under layers") as caught:
        compiled(exported(nn.Sequential(Wide(torch.ones(8, 16), bias, ends, output=1.0)), x), tmp_path, x)
    assert "\n" not in str(caught.value)
    compiled(exported(nn.Sequential(Wide(torch.ones(8, 16), 0.75 * bias, ends, output=1.0)), x), tmp_path, x)


@pytest.mark.parametrize("scheme", ["w8a8", "w4a8"])
def test_gq_chooses_scales_whose_bias_fits(scheme: str, tmp_path: Path) -> None:
    net = Net()
    with torch.no_grad():
        net.pointwise.weight[0] *= 1e-5
        net.pointwise.bias[0] = 50.0
    program = quantized(net, scheme).program
    compiled(program, tmp_path, images(4))
    wanted, _ = _tinpu_reference.run(program, TARGET, (images(4),))
    assert np.array_equal(tinpu.session(tmp_path, TARGET, 1)((images(4),)), wanted)


def test_equal_bytes_and_a_runnable_example(artifact, tmp_path: Path) -> None:
    _, program, _, folder = artifact
    compiled(program, tmp_path / "again", images(4))
    for name in ("model.onnx", "manifest.json", "example.py"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert str(folder).encode() not in (folder / name).read_bytes()
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(folder / "example.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "(4, 10)"


def test_equal_bytes_in_another_process_and_hash_seed(artifact, tmp_path: Path) -> None:
    _, program, _, folder = artifact
    torch.export.save(program, tmp_path / "program.pt2")
    code = (
        "import sys, numpy, torch; from pathlib import Path; from edgewright import ir, targets; ir.register();"
        "target = targets.load('tinpu');"
        "targets.adapter(target).compile(torch.export.load(sys.argv[1]), target, Path('out'),"
        " batch_inputs=(numpy.zeros((4, 1, 8, 8), numpy.float32),))"
    )
    environment = {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command: Sequence[str] = [sys.executable, "-c", code, str(tmp_path / "program.pt2")]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "out/model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


def test_kernels_are_named_by_their_modules(artifact) -> None:
    *_, folder = artifact
    times = tinpu.operator_times(folder, (images(4),), threads=1, runs=2)
    assert {item["scope"] for item in times} >= {"first", "depthwise", "pointwise", "fc"}

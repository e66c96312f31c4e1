"""Data moves as integers: the optimized graph of ONNX Runtime holds no pair but at the border."""

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from edgewright import targets
from edgewright.targets.one_operator import Example, one_operator

TARGET = targets.load("onnxruntime")


def optimized(example, folder: Path):
    """Operators of the graph that ONNX Runtime makes of an operator between pairs."""
    kernels = {kernel.name: kernel for kernel in TARGET.operators["linear"].quantized}
    a8 = next(kernel for kernel in TARGET.operators["mean"].quantized if kernel.name == "a8")
    program, inputs, _ = one_operator(example, kernels["w8a8"] if example.weight else a8, shared=False)
    targets.adapter(TARGET).compile(program, TARGET, folder, batch_inputs=inputs)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    output = targets.adapter(TARGET).session(folder, TARGET, 1)(inputs)
    expected = program.module(check_guards=False)(*map(torch.from_numpy, inputs)).numpy()
    assert abs(output - expected).max() <= 1.01 * abs(expected).max() / 100
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


@pytest.mark.parametrize(
    ("example", "kernel"),
    [
        (Example(lambda x: x.mean((2, 3), keepdim=True)), "QLinearGlobalAveragePool"),
        (Example(lambda x: x.mean((-1, -2), keepdim=True)), "QLinearGlobalAveragePool"),
        (Example(lambda x: F.adaptive_avg_pool2d(x, 1)), "QLinearGlobalAveragePool"),
        (Example(F.linear, ((1, 4, 32),), (8, 32)), "QGemm"),
        (Example(F.linear, ((1, 2, 4, 32),), (8, 32)), "QGemm"),
        (Example(lambda x, w, b: F.linear(x, w), ((1, 4, 32),), (8, 32)), "QGemm"),
        (Example(lambda x, w, b: torch.relu(F.linear(x, w, b)), ((1, 4, 32),), (8, 32)), "QGemm"),
    ],
)
def test_the_operator_runs_on_integers(example, kernel, tmp_path):
    found = optimized(example, tmp_path)
    assert found.pop(kernel) == 1
    assert found.pop("QuantizeLinear") == found.pop("DequantizeLinear") == 1
    assert set(found) <= {"Reshape"}


@pytest.mark.parametrize(
    "call",
    [lambda x: x.mean((2, 3)), lambda x: x.mean(1, keepdim=True), lambda x: F.adaptive_avg_pool2d(x, 2)],
)
def test_what_is_no_pool_of_the_plane_stays(call, tmp_path):
    assert "QLinearGlobalAveragePool" not in optimized(Example(call), tmp_path)

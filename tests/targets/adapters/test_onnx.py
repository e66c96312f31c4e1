"""What the export to ONNX shares among its toolchains: wide biases apart, scopes, unsigned activations."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional as F

from edgewright import targets
from edgewright.targets.adapters import _onnx
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights

TARGET = targets.load("onnxruntime")


@pytest.mark.parametrize(
    ("example", "bits"),
    [
        (Example(F.linear, ((1, 4, 32),), (16, 32)), 16),
        (Example(F.linear, ((1, 4, 32),), (16, 32)), 8),
        (Example(lambda x, w, b: F.conv2d(x, w, b, padding=1), weight=(16, 8, 3, 3)), 16),
        (Example(F.conv1d, ((1, 8, 16),), (4, 8, 3)), 8),
    ],
)
def test_a_bias_beside_16_bits_is_added_apart_and_right(example, bits, tmp_path: Path):
    kernel = Kernel(name="form", weights=KernelWeights(bits=bits, granularity="channel"),
                    activations=KernelActivations(bits=16, mode="static", symmetric=True))  # fmt: skip
    program, inputs, step = one_operator(example, kernel, shared=False)
    adapter = targets.adapter(TARGET)
    adapter.compile(program, TARGET, tmp_path, batch_inputs=inputs)
    model = onnx.load(tmp_path / "model.onnx")
    assert all(len(node.input) < 3 for node in model.graph.node if node.op_type in ("Conv", "Gemm"))
    assert "Add" in {node.op_type for node in model.graph.node}
    expected = program.module(check_guards=False)(*map(torch.from_numpy, inputs)).numpy()
    assert np.abs(adapter.session(tmp_path, TARGET, 1)(inputs) - expected).max() <= 1.01 * step


def test_scopes_are_read_from_the_metadata():
    node = onnx.helper.make_node("Relu", ["x"], ["y"], name="node_relu")
    other = onnx.helper.make_node("Relu", ["y"], ["z"], name="node_relu_1")
    entry = node.metadata_props.add()
    entry.key, entry.value = _onnx.SCOPE, "stem.relu"
    model = onnx.helper.make_model(onnx.helper.make_graph([node, other], "g", [], []))
    assert _onnx.scopes(model) == {"node_relu": "stem.relu", "node_relu_1": ""}

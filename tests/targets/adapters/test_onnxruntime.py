from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from edgewright.targets.adapters import onnxruntime


def test_graph_carries_scopes_and_nothing_of_the_machine(compiled: Callable[[str], Path]) -> None:
    model = onnx.load(compiled("onnxruntime") / "model.onnx")
    scopes = {
        node.op_type: entry.value for node in model.graph.node for entry in node.metadata_props if entry.key == "scope"
    }
    assert scopes["Conv"] == "third"
    assert scopes["Gemm"] == "head"
    assert {entry.key for node in model.graph.node for entry in node.metadata_props} == {"scope"}
    assert not any(node.doc_string for node in model.graph.node)


def test_activations_are_unsigned_and_weights_signed(compiled: Callable[[str], Path]) -> None:
    model = onnx.load(compiled("onnxruntime") / "model.onnx")
    constants = {item.name: item.data_type for item in model.graph.initializer}
    quantize = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {constants[node.input[2]] for node in quantize} == {onnx.TensorProto.UINT8}
    weights = [item for item in model.graph.initializer if len(item.dims) == 4]
    assert {item.data_type for item in weights} == {onnx.TensorProto.INT8}


def test_kernels_are_integer_and_named(compiled: Callable[[str], Path], image: np.ndarray) -> None:
    times = onnxruntime.operator_times(compiled("onnxruntime"), (image,), threads=1, runs=5)
    scopes = {item["scope"] for item in times if item["operator"] == "QLinearConv"}
    assert scopes == {"first", "second", "third"}
    assert "Conv" not in {item["operator"] for item in times}

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

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


def test_no_pair_is_left_between_integer_kernels(compiled: Callable[[str], Path], tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    model = str(compiled("onnxruntime") / "model.onnx")
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    border = {"QuantizeLinear": 1, "DequantizeLinear": 1}
    integer = {"QLinearConv": 3, "QLinearAdd": 1, "QLinearGlobalAveragePool": 1, "QGemm": 1}
    assert found == Counter({**border, **integer, **{kind: found[kind] for kind in ("Transpose", "Reshape", "Pad")}})

"""ONNX Runtime: the weights of its static QDQ quantization of a classifier, per channel, symmetric, of 8 or 4 bits.

Its weight-only quantizer takes MatMul nodes alone, so convolutions have this way only; it has no integers of 3 bits.
Activations are quantized in its graph too; here its weights are scored with float activations, as everyone's are.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from benchmarks.aq.workers import harness


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, images: Tensor) -> None:
        self._batches = iter([{name: batch.numpy()} for batch in images.split(16)])

    def get_next(self) -> Any:
        return next(self._batches, None)


def quantize(
    settings: harness.Settings,
) -> tuple[harness.Usage, Callable[[], Mapping[str, Tensor]], dict[str, Any]]:
    """Its own defaults but for bits; batch norms are in the convolutions before it looks at them."""
    kinds = {8: QuantType.QInt8, 4: QuantType.QInt4}
    if settings.bits not in kinds:
        raise SystemExit(f"ONNX Runtime has no integers of {settings.bits} bits")
    model, images = harness.classifier(settings), harness.calibration(settings)
    layers = {name: item for name, item in model.named_modules()
              if isinstance(item, torch.nn.Conv2d | torch.nn.Linear)}
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("float.onnx", "prepared.onnx", "quantized.onnx")]
        program = torch.onnx.export(model, (images[:16],), dynamo=True, opset_version=21, verbose=False)
        program.save(paths[0])
        quant_pre_process(paths[0], paths[1])
        reader = _Reader(onnx.load(paths[1]).graph.input[0].name, images)
        with harness.measured() as usage:
            quantize_static(paths[1], paths[2], reader, quant_format=QuantFormat.QDQ, per_channel=True,
                            weight_type=kinds[settings.bits], activation_type=QuantType.QInt8)
        graph = onnx.load(paths[2]).graph
        prepared = onnx.load(paths[1]).graph
    rounded = _weights(graph, prepared, layers)
    return usage, lambda: {**model.state_dict(), **rounded}, {"found": len(rounded), "layers": len(layers)}


def _weights(graph: onnx.GraphProto, prepared: onnx.GraphProto, layers: Mapping[str, Any]) -> dict[str, Tensor]:
    """Each layer's weight as the graph dequantizes it, with the scale of a folded batch norm taken out again."""
    initial = {item.name: item for item in graph.initializer}
    floats = {item.name: numpy_helper.to_array(item) for item in prepared.initializer}
    given = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in initial:
            integers = numpy_helper.to_array(initial[node.input[0]]).astype(np.float32)
            axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
            shape = [-1 if index == axis else 1 for index in range(integers.ndim)]
            scale = numpy_helper.to_array(initial[node.input[1]])
            source = node.input[0].removesuffix("_quantized")
            given[source] = integers * scale.reshape(shape) if scale.ndim else integers * scale
    rounded = {}
    ordered = [name for node in prepared.node if node.op_type in ("Conv", "Gemm", "MatMul") for name in node.input[1:2]]
    for (name, layer), source in zip(layers.items(), ordered, strict=True):
        weight = layer.weight.detach().numpy()
        new, old = given[source], floats[source]
        if new.shape != weight.shape:
            new, old = new.T, old.T
        rows, mine = old.reshape(len(old), -1), weight.reshape(len(weight), -1)
        ratio = (rows * mine).sum(1) / np.maximum((mine * mine).sum(1), 1e-30)
        ratio[ratio == 0] = 1
        rounded[f"{name}.weight"] = torch.from_numpy(new / ratio.reshape(-1, *[1] * (new.ndim - 1)).astype(np.float32))
    return rounded


if __name__ == "__main__":
    harness.main(quantize)

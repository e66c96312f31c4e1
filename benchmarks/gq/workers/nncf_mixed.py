"""NNCF's accuracy control: operators of the int8 network go back to float until the drop is small enough."""

from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.gq.workers import harness, points


def _weight_bytes(path: str) -> float:
    """Bytes of the weights of a network with quantize and dequantize operators."""
    import onnx
    from onnx import TensorProto

    size = {TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.FLOAT: 4}
    graph = onnx.load(path).graph
    quantized = {node.input[0] for node in graph.node if node.op_type in ("DequantizeLinear", "QuantizeLinear")}
    total = 0
    for item in graph.initializer:
        if len(item.dims) > 1 and (item.name in quantized or item.data_type in size):
            # NNCF keeps some weights in float in front of a quantize operator; they are integers once it is folded.
            bytes_each = 1 if item.name in quantized else size[item.data_type]
            total += int(np.prod(item.dims)) * bytes_each
    return total


def search(job: dict, visited: points.Visited) -> None:
    import nncf
    import onnx

    images = np.load(job["calibration"])
    calibration, judged = images[: -points.JUDGED], images[-points.JUDGED :]
    reference = np.load(job["judged_reference"])
    names = count()

    def runner(model):
        path = str(Path(job["out"]) / f"{next(names)}.onnx")
        onnx.save(model, path)
        return harness.onnx_runner(path), path

    def score(model, rows):
        visited.evaluations += 1
        run, _ = runner(model)
        # The items are those of the dataset before its transform: indices.
        indices = list(rows)
        output = np.concatenate([run(judged[index : index + 1]) for index in indices])
        errors = np.square(output - reference[indices]).sum(1)
        # A ratio that falls when the error grows, at most 100 as NNCF's drop in points wants it.
        power = np.square(reference[indices]).sum(1)
        return 100.0 - 100.0 * float(errors.sum() / power.sum()), [float(-item) for item in errors]

    for drop in job["setting"]["drops"]:
        made = nncf.quantize_with_accuracy_control(
            onnx.load(job["onnx"]),
            nncf.Dataset(range(0, len(calibration), 50), lambda at: {"x": calibration[at : at + 50]}),
            nncf.Dataset(range(len(judged)), lambda index: {"x": judged[index : index + 1]}),
            score, max_drop=drop, subset_size=len(range(0, len(calibration), 50)),
            advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
        run, path = runner(made)
        visited.add(run, _weight_bytes(path))


if __name__ == "__main__":
    points.main(search)

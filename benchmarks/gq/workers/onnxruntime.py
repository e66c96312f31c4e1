"""ONNX Runtime: static uint8 activations or dynamic ones, int8 weights per channel, its own preparation first."""

from pathlib import Path

import numpy as np

from benchmarks.gq.workers import harness


def quantized(onnx: str, inputs, out: Path, calibration: str | None) -> str:
    """Path of the quantized model; dynamic where there is no calibration method."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_dynamic,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(inputs[at : at + 1] for at in range(len(inputs)))

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"x": row}

    prepared, made = str(out / "prepared.onnx"), str(out / "int8.onnx")
    quant_pre_process(onnx, prepared)
    if calibration is None:
        quantize_dynamic(prepared, made, per_channel=True, weight_type=QuantType.QInt8)
        return made
    options = {"CalibPercentile": 99.999} if calibration == "Percentile" else {}
    quantize_static(
        prepared, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod[calibration], extra_options=options,
    )
    return made


def prepare(job: dict):
    import onnxruntime
    import onnxruntime.quantization  # noqa: F401

    inputs = np.load(job["calibration"])

    def quantize():
        made = quantized(job["onnx"], inputs, Path(job["out"]), job["setting"]["calibration"])
        return harness.onnx_runner(made)

    return quantize


if __name__ == "__main__":
    harness.main(prepare)

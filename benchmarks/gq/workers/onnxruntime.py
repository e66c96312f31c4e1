"""ONNX Runtime's static quantization: uint8 activations, int8 weights per channel, QDQ, its own preparation first."""

from pathlib import Path

import numpy as np

from benchmarks.gq.workers import harness


def quantized(onnx: str, images, out: Path, calibration: str) -> str:
    """Path of the quantized model."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(images[at : at + 1] for at in range(len(images)))

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"x": row}

    options = {"CalibPercentile": 99.999} if calibration == "Percentile" else {}
    prepared, made = str(out / "prepared.onnx"), str(out / "int8.onnx")
    quant_pre_process(onnx, prepared)
    quantize_static(
        prepared, made, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod[calibration], extra_options=options,
    )
    return made


def prepare(job: dict):
    import onnxruntime
    import onnxruntime.quantization  # noqa: F401

    images = np.load(job["calibration"])

    def quantize():
        made = quantized(job["onnx"], images, Path(job["out"]), job["setting"]["calibration"])
        return harness.onnx_runner(made)

    return quantize


if __name__ == "__main__":
    harness.main(prepare)

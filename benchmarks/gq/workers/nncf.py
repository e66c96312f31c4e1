"""NNCF on ONNX: presets performance and mixed, with and without its fast bias correction."""

from pathlib import Path

import numpy as np

from benchmarks.gq.workers import harness


def prepare(job: dict):
    import nncf
    import onnx
    from nncf import AdvancedQuantizationParameters, QuantizationPreset

    model, images, setting = onnx.load(job["onnx"]), np.load(job["calibration"]), job["setting"]

    def quantize():
        # It averages the extremes of its batches: one row a batch would clip the brightest images.
        size = min(50, job["batch"])
        starts = range(0, len(images), size)
        dataset = nncf.Dataset(starts, lambda at: {"x": images[at : at + size]})
        made = nncf.quantize(
            model, dataset, preset=QuantizationPreset(setting["preset"]), subset_size=len(starts),
            fast_bias_correction=True,
            model_type=nncf.ModelType.TRANSFORMER if setting["transformer"] else None,
            advanced_parameters=AdvancedQuantizationParameters(disable_bias_correction=not setting["bias"]),
        )
        path = str(Path(job["out"]) / "int8.onnx")
        onnx.save(made, path)
        return harness.onnx_runner(path)

    return quantize


if __name__ == "__main__":
    harness.main(prepare)

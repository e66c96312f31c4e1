"""What every worker does around its quantizer: read the job, measure, write logits and figures."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


def main(prepare: Callable[[dict], Callable[[], Run]]) -> None:
    """Run the job of `sys.argv[1]`: a JSON file with model, onnx, calibration, test, batch, setting, out.

    `prepare` imports and loads; what it returns quantizes, which is measured, and gives a function from inputs to
    outputs, whose outputs for the test inputs are written to `out`/logits.npy.
    """
    job = json.loads(Path(sys.argv[1]).read_text())
    quantize = prepare(job)
    before, cpu, start = _peak(), time.process_time(), time.perf_counter()
    run = quantize()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = _peak()
    inputs = np.load(job["test"])
    parts = [run(inputs[at : at + job["batch"]]) for at in range(0, len(inputs), job["batch"])]
    np.save(Path(job["out"]) / "logits.npy", np.concatenate(parts))
    figures = {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak, "more_bytes": peak - before}
    (Path(job["out"]) / "result.json").write_text(json.dumps(figures))


def onnx_runner(path: str) -> Run:
    """A function from inputs to outputs by ONNX Runtime, as it optimizes the model itself."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

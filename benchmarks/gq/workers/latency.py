"""One network on one target, quantized and compiled by Edgewright and by the toolchain's own way, side by side."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gq import models, ours
from benchmarks.gq.networks import NETWORKS
from benchmarks.gq.workers import executorch, onnxruntime
from benchmarks.gq.workers.points import snr
from edgewright import ir, targets
from edgewright.profile import latency
from edgewright.targets.toolchain import adapter as adapter_of
from edgewright.threads import one_thread

Run = Callable[..., Any]
_RUNS, _WARMUP, _CHECKED = 200, 20, 16


def main() -> None:
    """Run the job of `sys.argv[1]` and write latency.json beside it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    target, out = targets.load(job["target"]), Path(job["out"])
    test = models.data(job["model"], "test").inputs[:_CHECKED]
    reference = ours.output(job["model"], models.exported(job["model"]), test)
    found, sessions = {}, {}
    for name, build in (("ours", _ours), ("theirs", _theirs)):
        try:
            found[name], sessions[name] = build(job, target, out / name)
            run = sessions[name]
            if run is not None:
                output = np.concatenate([run((test[at : at + 1],)) for at in range(len(test))])
                found[name]["snr_db"] = snr(models.rows(job["model"], output), reference)
        except Exception as error:  # a toolchain may raise anything on what it cannot do: that is the result
            first = (str(error).strip().splitlines() or [""])[0]
            found[name], sessions[name] = {"error": f"{type(error).__name__}: {first}"}, None
    batch = (test[:1],)
    calls = [(name, run) for name, run in sessions.items() if run is not None]
    if calls:
        bound = [lambda run=run: run(batch) for _, run in calls]
        times = latency.compare(bound[0], bound[1] if len(bound) > 1 else None, runs=_RUNS, warmup=_WARMUP)
        for (name, _), time in zip(calls, times, strict=False):
            found[name]["ms"] = time.median
    (out / "latency.json").write_text(json.dumps(found))


def _compiled(program: Any, target: Any, folder: Path, example: Any) -> tuple[dict[str, Any], Run | None]:
    adapter = adapter_of(target)
    manifest = adapter.compile(program, target, folder, batch_inputs=(example,))
    figures = {
        "delegates": manifest.delegates, "left": len(manifest.not_delegated), "bytes": manifest.size_bytes,
        "left_operators": sorted({item.operator for item in manifest.not_delegated}),
    }
    if target.estimate:
        return {**figures, "cycles": adapter.estimate(folder)["cycles"]}, None
    return figures, adapter.session(folder, target, 1)


def _ours(job: dict[str, Any], target: Any, folder: Path) -> tuple[dict[str, Any], Run | None]:
    made = ours.program(job["model"], job["target"], ours.SCHEMES[job["scheme"]])
    figures, run = _compiled(made.program, target, folder, models.data(job["model"], "test").inputs[:1])
    figures["left_float"] = len(made.encodings["left_float"])
    if run is None:
        test = models.data(job["model"], "test").inputs[:_CHECKED]
        reference = ours.output(job["model"], models.exported(job["model"]), test)
        figures["snr_db"] = snr(ours.output(job["model"], made.program, test), reference)
    return figures, run


def _theirs(job: dict[str, Any], target: Any, folder: Path) -> tuple[dict[str, Any], Run | None]:
    folder.mkdir(parents=True, exist_ok=True)
    inputs, example = (models.data(job["model"], split).inputs for split in ("calib", "test"))
    if target.toolchain == "onnxruntime":
        calibration = None if "dynamic" in job["scheme"] else "MinMax"
        return {}, _onnx(onnxruntime.quantized(job["onnx"], inputs, folder, calibration))
    if target.toolchain == "openvino":
        return {}, _openvino(job["int8"])
    module, batch = models.exported(job["model"]).module(check_guards=False), min(50, models.batch(job["model"]))
    if job["model"] in NETWORKS:
        # A batch of any size is a symbol that the Arm backend's passes do not know everywhere.
        with one_thread():
            module, batch = torch.export.export(module, (torch.from_numpy(example[:1]),)).module(), 1
    made = executorch.converted(module, job["target"], inputs, "dynamic" in job["scheme"], batch)
    with one_thread():
        program = torch.export.export(made, (torch.from_numpy(example[:1]),))
    figures, run = _compiled(program, target, folder, example[:1])
    if run is None:
        test = example[:_CHECKED]
        output = np.concatenate([made(torch.from_numpy(test[at : at + 1])).detach().numpy() for at in range(len(test))])
        reference = ours.output(job["model"], models.exported(job["model"]), test)
        figures["snr_db"] = snr(models.rows(job["model"], output), reference)
    return figures, run


def _onnx(path: str) -> Run:
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"x": inputs[0]})[0]


def _openvino(path: str) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    settings = {"INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    shape = [1, *model.inputs[0].partial_shape.to_string().strip("[]?").split(",")[1:]]
    model.reshape([1, *(int(size) for size in shape[1:])])
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda inputs: np.array(request.infer([inputs[0]])[0], copy=True)


if __name__ == "__main__":
    ir.register()
    main()

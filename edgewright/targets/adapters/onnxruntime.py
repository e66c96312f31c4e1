"""ONNX Runtime: `.onnx` files in QDQ form that run on CPUs, here included."""

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgewright.files import read_json
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _integer_moves, _nbits, _onnx, _per_token, _program, _tokens
from edgewright.targets.adapters._times import trimmed_mean
from edgewright.targets.artifact import Example
from edgewright.targets.manifest import Manifest

RUNTIME = "onnxruntime"
SOURCE = ("onnxruntime", "onnxruntime")
OPTIONS: tuple[str, ...] = ()
_KERNEL = "_kernel_time"
# What ONNX Runtime appends to the name of a node that it fused.
_FUSED = re.compile(r"_token_\d+$")
_PACKAGES = ("onnxruntime", *_onnx.PACKAGES)
# It turns the border between int8 and uint8 into a node whose types do not match.
DISABLED = ["QDQPropagationTransformer"]
EXAMPLE = Example(
    '''"""Run {artifact} ({target}) once on zeros. Needs: pip install onnxruntime=={versions[onnxruntime]}"""
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(str(Path(__file__).with_name("{artifact}")))
inputs = {{{inputs}}}
print(session.run(None, inputs)[0].shape)
''',
    '"{name}": np.zeros({shape}, np.{dtype})',
)


def compile(
    program: ExportedProgram, target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
) -> Manifest:
    """Compile a float or QDQ Program into `folder/model.onnx`, with `manifest.json` and `example.py`.

    Args:
        batch_inputs: arrays that give shape and dtype of each input; the artifact takes this shape only.
    """
    model, signatures = _onnx.export(program, batch_inputs, _prepare)
    return artifact.write(
        folder, _onnx.ARTIFACT, model.SerializeToString(deterministic=True), target, _PACKAGES, EXAMPLE, signatures,
        delegated=len(model.graph.node), delegates=1,
    )  # fmt: skip


def preload() -> None:
    """Import what `session` needs."""
    import onnxruntime  # noqa: F401


def session(folder: Path, target: Target, threads: int) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that runs one batch on `folder/model.onnx` with `threads` threads and returns its output."""
    inference = open_session(folder, threads)
    names = [item.name for item in inference.get_inputs()]

    def run(inputs: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        (output, *_) = inference.run(None, dict(zip(names, inputs, strict=True)))
        return np.asarray(output)

    return run


def open_session(folder: Path, threads: int, profile: Path | None = None) -> Any:
    """An `onnxruntime.InferenceSession` on `folder/model.onnx`; `profile` is the prefix of its trace file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(
        str(folder / _onnx.ARTIFACT), options, providers=["CPUExecutionProvider"], disabled_optimizers=DISABLED
    )


def operator_times(
    folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
) -> list[dict[str, str | float]]:
    """Time of each kernel over `runs` runs by ONNX Runtime's profiler: scope, operator, time_ms."""
    import onnx

    scopes = _onnx.scopes(onnx.load(folder / _onnx.ARTIFACT))
    with tempfile.TemporaryDirectory() as name:
        inference = open_session(folder, threads, Path(name) / "trace")
        feeds = dict(zip([item.name for item in inference.get_inputs()], inputs, strict=True))
        for _ in range(runs):
            inference.run(None, feeds)
        events = read_json(Path(inference.end_profiling()))
    times: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            kernel = (event["name"].removesuffix(_KERNEL), event["args"]["op_name"])
            times.setdefault(kernel, []).append(event["dur"] / 1e3)
    return [
        {"scope": scopes.get(_FUSED.sub("", name), ""), "operator": op, "time_ms": trimmed_mean(found)}
        for (name, op), found in times.items()
    ]


def _prepare(module: GraphModule) -> None:
    """The form whose kernels are fast: uint8 activations, int32 biases, data moved as integers, packed weights."""
    for linear in _tokens.find(module):
        if linear.is_dynamic and _per_token.takes(linear):
            _per_token.rewrite(module, linear)
        else:
            _nbits.rewrite(module, linear)
    _program.integer_biases(module, wide=False)
    _onnx.separate_biases(module)
    _integer_moves.flatten_linear(module)
    _integer_moves.pool_planes(module)
    _onnx.unsigned_activations(module)
    _integer_moves.pad_integers(module)

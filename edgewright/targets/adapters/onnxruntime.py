"""ONNX Runtime: `.onnx` files in QDQ form that run on CPUs, here included."""

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgewright import ir
from edgewright.files import read_json
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _executorch, _program
from edgewright.targets.adapters._times import trimmed_mean
from edgewright.targets.artifact import Example
from edgewright.targets.manifest import Manifest

RUNTIME = "onnxruntime"
SOURCE = ("onnxruntime", "onnxruntime")
OPTIONS: tuple[str, ...] = ()
OPSET = 21
SCOPE = "scope"
_ARTIFACT = "model.onnx"
_KERNEL = "_kernel_time"
# What ONNX Runtime appends to the name of a node that it fused.
_FUSED = re.compile(r"_token_\d+$")
_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "torch")
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
    import onnx

    with _executorch.quiet():
        specialized = ir.specialize(program, len(batch_inputs[0]), _prepare)
        inputs, outputs = signatures = _program.signatures(specialized)
        exported = torch.onnx.export(
            specialized,
            dynamo=True,
            opset_version=OPSET,
            input_names=[item.name for item in inputs],
            output_names=[item.name for item in outputs],
            verbose=False,
        )
        assert exported is not None
        model = exported.model_proto
    strip(model)
    onnx.checker.check_model(model)
    return artifact.write(
        folder, _ARTIFACT, model.SerializeToString(deterministic=True), target, _PACKAGES, EXAMPLE, signatures,
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
        str(folder / _ARTIFACT), options, providers=["CPUExecutionProvider"], disabled_optimizers=DISABLED
    )


def operator_times(
    folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
) -> list[dict[str, str | float]]:
    """Time of each kernel over `runs` runs by ONNX Runtime's profiler: scope, operator, time_ms."""
    import onnx

    scopes = {
        node.name: next((entry.value for entry in node.metadata_props if entry.key == SCOPE), "")
        for node in onnx.load(folder / _ARTIFACT).graph.node
    }
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
    """The form whose kernels are fast: uint8 activations and int32 biases."""
    _program.integer_biases(module)
    _unsigned_activations(module)


def _unsigned_activations(module: GraphModule) -> None:
    """Shift int8 activations by 128 to uint8: integer and zero point move together, so values stay the same."""
    decomposed = torch.ops.quantized_decomposed
    pairs = (decomposed.quantize_per_tensor.default, decomposed.dequantize_per_tensor.default)
    for node in module.graph.nodes:
        if node.target not in pairs or node.args[5] != torch.int8:
            continue
        if node.target == pairs[1] and node.all_input_nodes[0].op == "get_attr":
            continue
        value, scale, zero_point, low, high, _ = node.args
        node.args = (value, scale, zero_point + 128, low + 128, high + 128, torch.uint8)


def strip(model: Any) -> None:
    """Keep what a runtime needs and the module scope of each node; drop traces, versions and prose."""
    model.producer_version = ""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for node in graph.node:
        scope = _scope(node)
        node.doc_string = ""
        del node.metadata_props[:]
        if scope:
            entry = node.metadata_props.add()
            entry.key, entry.value = SCOPE, scope
    for item in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]


def _scope(node: Any) -> str:
    """Module scope that the exporter recorded for a node, without the operator's own name at its end."""
    for entry in node.metadata_props:
        if entry.key == "namespace":
            parts = [part.rpartition(": ")[0] for part in str(entry.value).split("/")]
            return next((part for part in reversed(parts[:-1]) if part), "")
    return ""

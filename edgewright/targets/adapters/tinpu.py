"""NPU of TI's microcontrollers: `.onnx` files in integer arithmetic, which ONNX Runtime executes in place of the device."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgewright import ir
from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _executorch, _program, onnxruntime
from edgewright.targets.adapters._tinpu_lower import Lowered, lower
from edgewright.targets.manifest import Manifest

RUNTIME = "onnxruntime"
SOURCE = ("onnxruntime", "onnxruntime")
OPTIONS: tuple[str, ...] = ()
_ARTIFACT = "model.onnx"
_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "torch")
_INT8 = 127


def compile(
    program: ExportedProgram, target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
) -> Manifest:
    """Compile a QDQ Program into `folder/model.onnx`, with `manifest.json` and `example.py`.

    Inputs and outputs are float: the CPU quantizes and dequantizes at the border. Weights are stored as int8.

    Args:
        batch_inputs: arrays that give shape and dtype of each input; the artifact takes this shape only.

    Raises:
        InputError: a bias or a sum has more bits than the NPU.
    """
    import onnx

    lowered = Lowered()
    batch = len(batch_inputs[0])

    def edit(module: GraphModule) -> None:
        nonlocal lowered
        lowered = lower(module, target)

    with _executorch.quiet():
        specialized = ir.specialize(program, batch, edit)
        exported = torch.onnx.export(
            specialized,
            dynamo=True,
            opset_version=onnxruntime.OPSET,
            input_names=[item.name for item in _program.signatures(specialized)[0]],
            output_names=[item.name for item in _program.signatures(specialized)[1]],
            verbose=False,
        )
        assert exported is not None
        model = exported.model_proto
    onnxruntime.strip(model)
    _store_integers(model)
    onnx.checker.check_model(model)
    return artifact.write(
        folder, _ARTIFACT, model.SerializeToString(deterministic=True), target, _PACKAGES, onnxruntime.EXAMPLE,
        _program.signatures(specialized), delegated=lowered.layers, delegates=lowered.segments, not_delegated=lowered.left,
    )  # fmt: skip


def preload() -> None:
    """Import what `session` needs."""
    onnxruntime.preload()


def session(folder: Path, target: Target, threads: int) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that runs one batch on `folder/model.onnx` with `threads` threads and returns its output."""
    return onnxruntime.session(folder, target, threads)


def operator_times(
    folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
) -> list[dict[str, str | float]]:
    """Time of each kernel of ONNX Runtime, in place of the device: scope, operator, time_ms."""
    return onnxruntime.operator_times(folder, inputs, threads=threads, runs=runs)


def _store_integers(model: Any) -> None:
    """Store the weights of layers as int8, which a runtime casts once when it loads the file."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type in ("Conv", "MatMul")}
    casts = []
    for item in graph.initializer:
        values = numpy_helper.to_array(item)
        integers = values.astype(np.int8) if item.name in weights and np.abs(values).max(initial=0) <= _INT8 + 1 else None
        if integers is None or bool((integers != values).any()):
            continue
        name = f"{item.name}_int8"
        casts.append(helper.make_node("Cast", [name], [item.name], name=f"{name}_cast", to=TensorProto.FLOAT))
        item.CopyFrom(numpy_helper.from_array(integers, name))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)

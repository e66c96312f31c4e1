"""NPU of TI's microcontrollers: `.onnx` files in integer arithmetic, which ONNX Runtime executes in its place."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgewright.targets import Target, artifact
from edgewright.targets.adapters import _onnx, _program, onnxruntime
from edgewright.targets.adapters._tinpu_lower import Lowered, lower
from edgewright.targets.manifest import Manifest, TensorSignature

RUNTIME = "onnxruntime"
SOURCE = ("onnxruntime", "onnxruntime")
OPTIONS: tuple[str, ...] = ()
_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "torch")
_INT8 = 127

Quantization = dict[str, float | int | str] | None
Border = tuple[tuple[Quantization, ...], tuple[Quantization, ...]]
Signatures = tuple[tuple[TensorSignature, ...], tuple[TensorSignature, ...]]


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
    lowered = Lowered()
    border: Border = ((), ())

    def edit(module: GraphModule) -> None:
        nonlocal lowered, border
        border = _border(module)
        lowered = lower(module, target)

    model, plain = _onnx.export(program, batch_inputs, edit)
    signatures = _signatures(plain, border)
    _store_integers(model)
    return artifact.write(
        folder, _onnx.ARTIFACT, model.SerializeToString(deterministic=True), target, _PACKAGES, onnxruntime.EXAMPLE,
        signatures, delegated=lowered.layers, delegates=lowered.segments, not_delegated=lowered.left,
    )  # fmt: skip


def _border(module: GraphModule) -> Border:
    """Quantization of each input and output, as the device stores it: unsigned where nothing is below zero."""
    places = [node for node in module.graph.nodes if node.op == "placeholder"]
    inputs = [_program.quantization_of(next(iter(node.users), None)) for node in places]
    outputs = [_program.quantization_of(node) for node in module.graph.output_node().args[0]]
    return tuple(map(_stored, inputs)), tuple(map(_stored, outputs))


def _stored(found: Quantization) -> Quantization:
    if found is None or found["zero_point"] != -(_INT8 + 1):
        return found
    return {**found, "zero_point": 0, "dtype": "uint8"}


def _signatures(plain: Signatures, border: Border) -> Signatures:
    """Inputs and outputs of the lowered program, with the quantization that it had before."""
    inputs, outputs = (
        tuple(replace(item, quantization=found) for item, found in zip(items, quantization, strict=True))
        for items, quantization in zip(plain, border, strict=True)
    )
    return inputs, outputs


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
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type in ("Conv", "MatMul")}
    casts = []
    for item in graph.initializer:
        values = numpy_helper.to_array(item)
        if item.name not in weights or bool((values != np.rint(values).clip(-_INT8 - 1, _INT8)).any()):
            continue
        name = f"{item.name}_int8"
        casts.append(helper.make_node("Cast", [name], [item.name], name=f"{name}_cast", to=TensorProto.FLOAT))
        item.CopyFrom(numpy_helper.from_array(values.astype(np.int8), name))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)

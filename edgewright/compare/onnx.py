"""The tensors inside an ONNX model: made outputs of the graph, which ONNX Runtime then gives."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compare.values import INPUT, Value, is_move, is_weighted
from edgewright.targets.adapters import _onnx
from edgewright.targets.adapters import onnxruntime as adapter

TOOLCHAIN = "onnxruntime"
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_ACTIVATIONS = ("Relu", "Clip")
# The exporter names a node as the Program names the operator; a number tells those of a kind apart.
_NODE = "node_"
_NUMBER = re.compile(r"_\d+$")
_INNER = re.compile(r"val_\d+$")

Array = NDArray[Any]


def open_model(path: Path) -> tuple[tuple[Value, ...], "Session"]:
    """The values of an ONNX file, and what runs it and gives them by name.

    A tensor that is stored as integers is shown as the runtime dequantizes it, behind the kernel that fuses the
    operators ahead of it: to show these would change which kernels run.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    shapes = {
        item.name: tuple(str(size.dim_value) if size.dim_value else "?" for size in item.type.tensor_type.shape.dim)
        for item in (*graph.input, *graph.value_info, *graph.output)
    }
    constants = {item.name for item in graph.initializer}
    owners = {node.output[0]: node.input[0] for node in graph.node if node.op_type == _DEQUANTIZE}
    found: list[Value] = []
    shown: dict[str, str] = {}
    names = [item.name for item in graph.input]
    for node in [None, *graph.node]:
        for name in names if node is None else node.output[:1]:
            if node is not None and (node.op_type in (_QUANTIZE, _DEQUANTIZE) or _INNER.match(name)):
                continue
            if name not in shapes:
                continue
            operator = INPUT if node is None else _NUMBER.sub("", node.name.removeprefix(_NODE))
            stored = _stored(name, users)
            tail = _tail(name, users) if stored is None else ""
            scope = "" if node is None else _scope(node, operator, owners, constants)
            found.append(Value(name, scope, operator, shapes[name], (), scope, "", is_move(operator), tail))
            if not tail:
                shown[name] = stored or name
    return tuple(found), Session(model, shown)


class Session:
    """Runs a model with inner tensors among its outputs: `shown`, the name of each value and the tensor that is read.

    A call takes the arrays of one batch and gives the model's outputs, and the inner tensors by the name of the value.
    """

    def __init__(self, model: Any, shown: Mapping[str, str]) -> None:
        import onnx
        import onnxruntime

        inputs = {item.name for item in model.graph.input}
        outputs = [item.name for item in model.graph.output]
        self._outputs = outputs
        self._inputs = [item.name for item in model.graph.input]
        self._given = {name: name for name in shown if shown[name] in inputs}
        self._shown = {name: tensor for name, tensor in shown.items() if name not in self._given}
        added = [tensor for tensor in dict.fromkeys(self._shown.values()) if tensor not in outputs]
        model.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in added)
        self._names = [*outputs, *added]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"],
            disabled_optimizers=adapter.DISABLED,
        )  # fmt: skip

    def __call__(self, inputs: tuple[Array, ...]) -> tuple[tuple[Array, ...], dict[str, Array]]:
        feeds = dict(zip(self._inputs, inputs, strict=True))
        made = dict(zip(self._names, self._session.run(self._names, feeds), strict=True))
        inner = {name: np.asarray(made[tensor]) for name, tensor in self._shown.items()}
        inner |= {name: feeds[name] for name in self._given}
        return tuple(np.asarray(made[name]) for name in self._outputs), inner


def _scope(node: Any, operator: str, owners: Mapping[str, str], constants: set[str]) -> str:
    scope = next((entry.value for entry in node.metadata_props if entry.key == _onnx.SCOPE), "")
    if is_weighted(operator):
        weights = (owners.get(name, name) for name in node.input[1:2])
        owner = next((name.rpartition(".")[0] for name in weights if name in constants), "")
        if not scope or owner.startswith(f"{scope}."):
            return owner
    return str(scope)


def _stored(name: str, users: Mapping[str, list[Any]]) -> str | None:
    """The tensor that is read in place of one that is stored as integers."""
    quantizes = [user for user in users.get(name, ()) if user.op_type == _QUANTIZE]
    if len(quantizes) != 1:
        return None
    restored = [user for user in users.get(quantizes[0].output[0], ()) if user.op_type == _DEQUANTIZE]
    return str(restored[0].output[0]) if restored else None


def _tail(name: str, users: Mapping[str, list[Any]]) -> str:
    """The activation behind a tensor, alone to read it, whose own output is stored."""
    found = users.get(name, [])
    if len(found) != 1 or found[0].op_type not in _ACTIVATIONS:
        return ""
    output = str(found[0].output[0])
    return output if _stored(output, users) is not None else ""

"""A lowered Ethos-U program as data, and its simulation with the TOSA reference model.

The Python runtime cannot run an Ethos-U `.pte`. So beside it lie the TOSA network of each delegate and
`simulator.json`: the operators around the delegates as steps in order. Replayed, they are the artifact's arithmetic.
"""

import contextlib
import ctypes
import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch.export import ExportedProgram
from torch.fx import Node

from edgewright import ir
from edgewright.errors import InputError
from edgewright.files import read_json, write_json
from edgewright.targets.adapters._program import overload_of

STEPS = "simulator.json"
CONSTANTS = "simulator.safetensors"
_LIBC = ctypes.CDLL(None)


def write_steps(program: ExportedProgram, networks: Mapping[str, bytes], folder: Path) -> None:
    """Write the steps of a lowered edge program, its constants, and one `.tosa` file per delegate.

    Args:
        program: the edge program with `executorch_call_delegate` nodes.
        networks: TOSA flatbuffer of each delegate by name of its lowered module.
    """
    for name, content in networks.items():
        (folder / f"{name}.tosa").write_bytes(content)
    inputs = list(program.graph_signature.user_inputs)
    constants: dict[str, torch.Tensor] = {}
    steps: list[dict[str, Any]] = []
    outputs: list[Any] = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name not in inputs:
            constants[node.name] = _state(program, node.name)
        elif node.op == "call_function":
            steps.append(_step(node))
        elif node.op == "output":
            outputs = [_encoded(item) for item in node.args[0]]
    save_file({name: value.detach().contiguous() for name, value in sorted(constants.items())}, folder / CONSTANTS)
    write_json(folder / STEPS, {"schema": 1, "inputs": inputs, "steps": steps, "outputs": outputs})


def session(folder: Path) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
    """A function that replays the steps in `folder` on one batch and returns the first output.

    Raises:
        InputError: (when called) the reference model refuses a network.
    """
    import executorch.kernels.quantized  # noqa: F401  (registers operators that steps may name)
    import tosa_reference_model

    ir.register()
    plan = read_json(folder / STEPS)
    constants = load_file(folder / CONSTANTS)
    networks = {file.stem: file.read_bytes() for file in sorted(folder.glob("*.tosa"))}

    def network(name: str, arguments: list[torch.Tensor]) -> list[torch.Tensor]:
        arrays = [np.ascontiguousarray(item.numpy()) for item in arguments]
        with _silent():
            results, status = tosa_reference_model.run(networks[name], arrays)
        if status != tosa_reference_model.GraphStatus.TOSA_VALID:
            raise InputError(f"{folder.name}/{name}.tosa: the TOSA reference model reports {status.name}")
        return [torch.from_numpy(np.asarray(item)) for item in results]

    def run(inputs: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        values: dict[str, Any] = dict(constants)
        for name, array in zip(plan["inputs"], inputs, strict=True):
            values[name] = torch.from_numpy(np.ascontiguousarray(array))
        for step in plan["steps"]:
            arguments = [_decoded(item, values) for item in step["args"]]
            options = {key: _decoded(item, values) for key, item in step["kwargs"].items()}
            if step["op"] == "delegate":
                values[step["name"]] = network(step["network"], arguments)
            elif step["op"] == "getitem":
                values[step["name"]] = arguments[0][arguments[1]]
            else:
                values[step["name"]] = _operator(step["op"])(*arguments, **options)
        return np.array(cast(torch.Tensor, _decoded(plan["outputs"][0], values)).numpy(), copy=True)

    return run


def _state(program: ExportedProgram, placeholder: str) -> torch.Tensor:
    signature = program.graph_signature
    for table in (signature.inputs_to_parameters, signature.inputs_to_buffers):
        if placeholder in table:
            name = table[placeholder]
            return program.constants[name] if name in program.constants else program.state_dict[name]
    return cast(torch.Tensor, program.constants[signature.inputs_to_lifted_tensor_constants[placeholder]])


def _step(node: Node) -> dict[str, Any]:
    arguments = [_encoded(item) for item in node.args]
    options = {key: _encoded(item) for key, item in node.kwargs.items()}
    step: dict[str, Any] = {"name": node.name, "args": arguments, "kwargs": options}
    if "executorch_call_delegate" in str(node.target):
        lowered = cast(Node, node.args[0])
        return {**step, "op": "delegate", "network": lowered.name, "args": arguments[1:]}
    op = overload_of(node)
    return {**step, "op": "getitem" if op is None else str(op)}


def _encoded(value: Any) -> Any:
    if isinstance(value, Node):
        return {"ref": value.name}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, torch.dtype | torch.memory_format | torch.layout):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _decoded(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        readers = {"ref": values.__getitem__, "torch": partial(getattr, torch), "device": torch.device, "float": float}
        return readers[kind](content)
    if isinstance(value, list):
        return [_decoded(item, values) for item in value]
    return value


def _operator(name: str) -> Any:
    namespace, op, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), op), overload)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Drop what native code writes to standard output: the reference model prints a line about versions each run."""
    _LIBC.fflush(None)
    kept = os.dup(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    try:
        yield
    finally:
        # The C library buffers when the output is a pipe.
        _LIBC.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(sink)

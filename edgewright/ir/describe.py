"""What people read about a Program: its scope tree, operators and signature."""

from collections import Counter
from typing import Any

import torch
from torch.export import ExportedProgram

from edgewright.ir.scope import scope
from edgewright.ir.signature import user_inputs


def operator_name(target: Any) -> str:
    """Name of an operator without namespace and overload: `linear` for `aten.linear.default`."""
    if isinstance(target, torch._ops.OpOverload):
        return str(target).split(".")[-2]
    return getattr(target, "__name__", str(target))


def describe(program: ExportedProgram) -> dict[str, Any]:
    """Content of `program.json`: inputs, outputs, operators in all and by module scope, parameters."""
    nodes = [node for node in program.graph.nodes if node.op == "call_function"]
    scopes: dict[str, Counter[str]] = {}
    for node in nodes:
        scopes.setdefault(scope(node), Counter())[operator_name(node.target)] += 1
    outputs = next(node for node in program.graph.nodes if node.op == "output").args[0]
    return {
        "schema": 1,
        "inputs": [{"name": name, **_signature(value)} for name, value in user_inputs(program).items()],
        "outputs": [_signature(node.meta["val"]) for node in outputs],
        "operators": dict(sorted(Counter(operator_name(node.target) for node in nodes).items())),
        "scopes": {path: dict(sorted(found.items())) for path, found in sorted(scopes.items())},
        "parameters": sum(value.numel() for value in program.state_dict.values()),
    }


def constant_bytes(program: ExportedProgram) -> int:
    """Size in bytes of the parameters and constants that a Program holds, shared ones once."""
    tensors = [value for value in (*program.state_dict.values(), *program.constants.values())
               if isinstance(value, torch.Tensor)]
    return sum({value.data_ptr(): value.nbytes for value in tensors}.values())


def _signature(value: torch.Tensor) -> dict[str, Any]:
    shape = ["batch" if isinstance(size, torch.SymInt) else int(size) for size in value.shape]
    return {"shape": shape, "dtype": str(value.dtype).removeprefix("torch.")}

"""The canonical form of a Program: equal programs are equal bytes."""

from typing import Any, cast

import torch
from torch._subclasses import FakeTensor
from torch.export import Dim, ExportedProgram

from edgewright.ir.scope import canonical_stack, provenance
from edgewright.ir.signature import user_inputs

_KEPT = ("val", "nn_module_stack", "custom")


def canonicalize(program: ExportedProgram) -> ExportedProgram:
    """Strip what differs between machines and runs: stack traces, tracing history, the values of the example inputs.

    Works in place and returns `program`.
    """
    for node in program.graph.nodes:
        for key in [key for key in node.meta if key not in _KEPT]:
            del node.meta[key]
        if node.op == "call_function":
            node.meta["nn_module_stack"] = canonical_stack(node.meta.get("nn_module_stack") or {"": ("", "")})
            node.meta["custom"] = provenance(node)
        else:
            node.meta.pop("nn_module_stack", None)
        if isinstance(node.meta.get("val"), FakeTensor):
            node.meta["val"] = _without_offset(node.meta["val"])
    # Modules whose operators are all gone are listed or not, depending on the export; only the root's entry is used.
    program._module_call_graph = [entry for entry in program.module_call_graph if not entry.fqn]
    inputs, _ = example_inputs(program)
    program._example_inputs = (inputs, {})
    return program


def _without_offset(value: FakeTensor) -> FakeTensor:
    """`value` as loading a saved program gives it: a view's offset into its storage is not kept there."""
    if isinstance(value.storage_offset(), int) and value.storage_offset() == 0:
        return value
    with value.fake_mode:
        return cast(FakeTensor, torch.empty_strided(value.size(), value.stride(), dtype=value.dtype))


def example_inputs(
    program: ExportedProgram, batch: int = 2
) -> tuple[tuple[torch.Tensor, ...], tuple[dict[int, Any], ...]]:
    """Zeros of the input shapes, and the dynamic shapes that `torch.export.export` takes for them.

    A symbolic first dimension gets the size `batch`; the default is 2 because an export specializes on 0 and 1.
    The second value is `{0: Dim}` for an input whose batch dimension is dynamic, and `{}` for one that is static.
    """
    dimension = Dim("batch", min=1)
    inputs, dynamic = [], []
    for value in user_inputs(program).values():
        symbolic = value.dim() > 0 and isinstance(value.shape[0], torch.SymInt)
        shape = [batch if isinstance(size, torch.SymInt) else int(size) for size in value.shape]
        inputs.append(torch.zeros(shape, dtype=value.dtype))
        dynamic.append({0: dimension} if symbolic else {})
    return tuple(inputs), tuple(dynamic)

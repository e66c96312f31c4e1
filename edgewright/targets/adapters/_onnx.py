"""Export of a Program to ONNX, shared by the toolchains whose artifact is an `.onnx` file."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets.adapters import _executorch, _program
from edgewright.targets.manifest import TensorSignature

OPSET = 21
SCOPE = "scope"
ARTIFACT = "model.onnx"
PACKAGES = ("onnx", "onnxscript", "torch")
_BIASED = ("conv1d", "conv2d", "linear")


def export(
    program: ExportedProgram, batch_inputs: Sequence[NDArray[Any]], prepare: Callable[[GraphModule], None]
) -> tuple[Any, tuple[tuple[TensorSignature, ...], tuple[TensorSignature, ...]]]:
    """An `onnx.ModelProto` of a float or QDQ Program for one shape, and its inputs and outputs.

    Nodes keep the scope of their module in `metadata_props`; nothing else of the exporter stays.

    Args:
        program: the Program.
        batch_inputs: arrays that give shape and dtype of each input.
        prepare: brings the unlifted graph into the toolchain's form, in place.
    """
    import onnx

    with _executorch.quiet():
        specialized = ir.specialize(program, len(batch_inputs[0]), prepare)
        inputs, outputs = _program.signatures(specialized)
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
    _strip(model)
    onnx.checker.check_model(model)
    return model, (inputs, outputs)


def scopes(model: Any) -> dict[str, str]:
    """Module scope of each node of an exported model, by the node's name."""
    return {
        node.name: next((entry.value for entry in node.metadata_props if entry.key == SCOPE), "")
        for node in model.graph.node
    }


def unsigned_activations(module: GraphModule) -> None:
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


def separate_biases(module: GraphModule) -> None:
    """Add the bias of an operator on 16-bit integers behind it.

    ONNX Runtime 1.31.1 rounds a bias beside dequantized inputs to int32 steps of input scale x weight scale
    (its optimizer `WeightBiasQuantization`), which overflows where the steps are those of 16 bits.
    """
    for node in list(module.graph.nodes):
        op, bias = _program.name_of(node), node.args[2] if len(node.args) > 2 else None
        if op not in _BIASED or not isinstance(bias, Node) or not _program.is_wide(node):
            continue
        shape = [-1] + [1] * (node.meta["val"].dim() - 2) if op != "linear" else [-1]
        node.args = (*node.args[:2], None, *node.args[3:])
        with module.graph.inserting_after(node):
            column = module.graph.call_function(torch.ops.aten.reshape.default, (bias, shape))
        with module.graph.inserting_after(column):
            result = module.graph.call_function(torch.ops.aten.add.Tensor, (node, column))
        for new in (column, result):
            ir.adopt(new, [node])
        node.replace_all_uses_with(result, delete_user_cb=lambda user, keep=result: user is not keep)


def _strip(model: Any) -> None:
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

"""Edits of a Program that more than one toolchain needs before lowering."""

from typing import cast

import torch
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets.manifest import TensorSignature

INT32_MAX = 2**31 - 1
_BIASED = ("conv1d", "conv2d", "conv_transpose2d", "linear")


def overload_of(node: Node) -> OpOverload | None:
    """Operator of a node, in an edge program too; None for what is no operator."""
    target = node.target
    op = target if isinstance(target, OpOverload) else getattr(target, "_op", None)
    return op if isinstance(op, OpOverload) else None


def name_of(node: Node) -> str:
    """Operator of a node without namespace and overload (`conv2d`); empty for what is no operator."""
    op = overload_of(node)
    return "" if op is None else ir.operator_name(op)


def integer_biases(module: GraphModule, *, wide: bool) -> None:
    """Round float biases of quantized operators to int32 steps of input scale x weight scale.

    The accumulator of a convolution or linear is an int32 count of such steps, so a device with
    integer accumulators adds its bias there (Jacob et al. 2018, arXiv:1712.05877, section 2.4).
    Operators whose input or weight is not quantized per tensor and per channel are left alone.

    Args:
        module: an unlifted Program, changed in place.
        wide: also those of operators that read 16-bit integers: steps so small need an accumulator of more than 32 bits
            to add the bias in.
    """
    ir.register()
    decomposed = torch.ops.quantized_decomposed
    for node in list(module.graph.nodes):
        if name_of(node) not in _BIASED or len(node.args) < 3:
            continue
        source, weight, bias = node.args[:3]
        if not (isinstance(bias, Node) and bias.op == "get_attr" and isinstance(source, Node)):
            continue
        if source.target != decomposed.dequantize_per_tensor.default or (is_wide(node) and not wide):
            continue
        if not isinstance(weight, Node) or weight.target not in (
            decomposed.dequantize_per_channel.default,
            decomposed.dequantize_per_tensor.default,
        ):
            continue
        values = ir.tensor_of(module, bias).detach()
        scales = (
            ir.tensor_of(module, cast(Node, weight.args[1])).to(torch.float64)
            if weight.target == decomposed.dequantize_per_channel.default
            else torch.full((len(values),), float(cast(float, weight.args[1])), dtype=torch.float64)
        )
        steps = scales * float(cast(float, source.args[1]))
        integers = (values.to(torch.float64) / steps).round().clamp(-INT32_MAX, INT32_MAX).to(torch.int32)
        hint = str(bias.target)
        arguments = (
            ir.constant(module, integers, f"{hint}_int32", node),
            ir.constant(module, steps.to(torch.float32), f"{hint}_scale", node),
            ir.constant(module, torch.zeros(len(values), dtype=torch.int64), f"{hint}_zero_point", node),
            0,
            -INT32_MAX,
            INT32_MAX,
            torch.int32,
        )
        with module.graph.inserting_before(node):
            rounded = module.graph.call_function(decomposed.dequantize_per_channel.default, arguments)
        ir.adopt(rounded, [node])
        node.replace_input_with(bias, rounded)


def is_wide(node: Node) -> bool:
    """Whether an operator with a weight reads 16-bit integers, its activations or its weight."""
    sources = [item.args[0] for item in node.args[:2] if isinstance(item, Node) and item.args]
    return any(isinstance(item, Node) and item.meta["val"].dtype == torch.int16 for item in sources)


def signatures(program: ExportedProgram) -> tuple[tuple[TensorSignature, ...], tuple[TensorSignature, ...]]:
    """Inputs and outputs of a specialized Program, with the quantization at its border."""
    users = ir.user_inputs(program)
    inputs = [
        _signature(node.name, node, next(iter(node.users), None)) for node in program.graph.nodes if node.name in users
    ]
    results = program.graph.output_node().args[0]
    outputs = [
        _signature("output" if len(results) == 1 else f"output_{index}", node, node)
        for index, node in enumerate(results)
    ]
    return tuple(inputs), tuple(outputs)


def _signature(name: str, node: Node, border: Node | None) -> TensorSignature:
    value = node.meta["val"]
    return TensorSignature(
        name, tuple(int(size) for size in value.shape), str(value.dtype).removeprefix("torch."), quantization_of(border)
    )


def quantization_of(border: Node | None) -> dict[str, float | int | str] | None:
    """Scale, zero point and type of a quantize or dequantize operator; None for another, or none."""
    if border is None or name_of(border) not in ("quantize_per_tensor", "dequantize_per_tensor"):
        return None
    scale, zero_point, _, _, dtype = cast(tuple[float, int, int, int, torch.dtype], border.args[1:6])
    return {"scale": float(scale), "zero_point": int(zero_point), "dtype": str(dtype).removeprefix("torch.")}

"""Quantize a Program as a scheme asks and the capability map of a target allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config import GqScheme
from edgewright.datasets import Samples
from edgewright.gq import half, ranges, sensitivity, validate
from edgewright.gq.annotate import Annotation, annotate, names_of
from edgewright.gq.annotate import Quantized as QuantizedOperator
from edgewright.gq.collect import rows
from edgewright.gq.correction import correct, correctable, keep_if_better
from edgewright.gq.encodings import (
    BiasCorrection,
    Encodings,
    Overrides,
    left_float_encoding,
    weight_encoding,
)
from edgewright.gq.groups import QuantizedTensor, grid_of, parameters_by_tensor, solve
from edgewright.gq.insert import insert_dynamic, insert_static, insert_weight
from edgewright.gq.integers import owner_of
from edgewright.gq.names import name_tensors
from edgewright.gq.operators import weight_of
from edgewright.gq.parameters import Parameters
from edgewright.gq.scheme import Resolved
from edgewright.gq.weights import IntegerWeight, integer_weight
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.threads import one_thread

DRIFT_ROWS = 16
"""Calibration rows that the drift of modules is measured on."""

CORRECTION_ROWS = 256
"""Calibration rows that decide whether a bias correction stays."""

_CORRECTION_BATCH = 16


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized Program.

    Attributes:
        program: with quantize and dequantize operators, canonical; float where the target or the scheme wants it.
        encodings: value of `encodings.json`, see docs/gq.md; `Overrides.parse` reads it back.
        sensitivity: value of `sensitivity.json`: {"modules": [{"scope", "operator", "index", "snr_db", "mse",
            "cosine"}]},
            worst first.
        warnings: lines on what is quantized as asked and looks wrong: tensors that are clipped a lot.
    """

    program: ExportedProgram
    encodings: Mapping[str, Any]
    sensitivity: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def quantize(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    sample: Samples,
    *,
    encodings: Overrides | None = None,
    progress: Progress = silent,
    where: str = "gq",
) -> Quantized:
    """Quantize `program`.

    The result depends on its arguments alone: every row runs alone, on one thread.

    Args:
        program: a Program; integer weights in it stay as they are.
        target: what the device has kernels for.
        scheme: what is wanted; an empty one returns the program as it is.
        sample: calibration data, read once, and its first rows again to judge corrections and drift.
        encodings: parameters that replace what would be found here.
        progress: called for each row.
        where: key of the scheme in the configuration, the start of a message.

    Raises:
        ConfigError: the target cannot do the scheme, a pattern of `layers` matches no module, integer weights from aq
            are not those the scheme asks for, or an override fits nothing.
        InputError: the sample does not fit the program, an activation or weight is not finite, or a tensor would be
            clipped more than `max_clipped`.
    """
    validate.check(target, scheme, where)
    if scheme.is_empty:
        return Quantized(program, Encodings(target=target.name).json_value(), {"schema": 1, "modules": []})
    with one_thread():
        return _quantized(program, target, scheme, sample, encodings, progress, where)


def _quantized(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    sample: Samples,
    encodings: Overrides | None,
    progress: Progress,
    where: str,
) -> Quantized:
    ir.register()
    module = ir.unlift(program)
    resolved = Resolved(scheme, names_of(module).values(), where)
    annotation = Annotation((), ()) if scheme.is_float else annotate(module, target, resolved)
    names = name_tensors(module)
    halved = half.operators(module, annotation) if scheme.dtype == "float16" else ()
    half.check(module, halved, names, rows(module, sample.head(CORRECTION_ROWS), _CORRECTION_BATCH) if halved else ())
    groups = solve(annotation, names)
    weighted = [plan for plan in annotation.quantized if plan.kernel.weights is not None]
    if encodings is not None:
        encodings.check(target, groups, {owner_of(plan.node) or "": plan.scheme.weights for plan in weighted})
    biased = correctable(weighted)
    averaged = list(dict.fromkeys(biased.values()))
    wanted = ranges.wanted(annotation, groups, names, scheme, encodings, where)
    found, means = ranges.find(module, wanted, names, sample, progress, averaged)
    by_tensor = {tensor: found[group.name].parameters for tensor, group in parameters_by_tensor(groups).items()}
    weights = {plan.node: _weight(module, plan, by_tensor, encodings) for plan in weighted}
    shifted = {node: means[source] for node, source in biased.items()}
    outputs = sensitivity.observed(module, names)
    corrections = correct(module, weights, shifted)
    _insert(module, annotation, by_tensor, weights)
    restored = {scope: (node.name, _restored(node), ir.operator_name(node.target)) for scope, node in outputs.items()}
    reference = ir.unlift(program)
    judged = rows(module, sample.head(CORRECTION_ROWS), _CORRECTION_BATCH)
    corrected = keep_if_better(reference, module, corrections, judged) if corrections else None
    half.convert(module, halved)
    drift = sensitivity.measure(reference, module, restored, rows(module, sample.head(DRIFT_ROWS)))
    described = Encodings(
        target=target.name,
        tensors=tuple(ranges.encoding(group, found[group.name], names) for group in groups),
        weights=tuple(weight_encoding(weight, ir.operator_name(node.target)) for node, weight in weights.items()),
        dynamic=tuple(dict.fromkeys(ir.scope(plan.node) for plan in annotation.quantized if plan.is_dynamic)),
        float16=tuple(dict.fromkeys(ir.scope(node) for node in halved)),
        left_float=tuple(left_float_encoding(item) for item in annotation.left_float),
        bias_correction=None if corrected is None else BiasCorrection(**corrected),
    )
    result = ir.relift(module, program)
    ir.verify(result)
    return Quantized(result, described.json_value(), drift, ranges.warnings(described.tensors))


def _weight(
    module: GraphModule,
    plan: QuantizedOperator,
    parameters: Mapping[QuantizedTensor, Parameters],
    overrides: Overrides | None,
) -> IntegerWeight:
    scale = None
    weight, scheme = weight_of(plan.node), plan.scheme.weights
    if overrides is not None and weight is not None and scheme is not None:
        scale = overrides.scale(owner_of(plan.node) or "", weight.meta["val"].shape, scheme.granularity)
    border = None
    if plan.is_static:
        source, tail = (QuantizedTensor(node, grid_of(plan)) for node in (plan.edges[0][1], plan.tail))
        border = parameters[source], parameters[tail]
    return integer_weight(module, plan, border, scale)


def _insert(
    module: GraphModule,
    annotation: Annotation,
    parameters: Mapping[QuantizedTensor, Parameters],
    weights: Mapping[Node, IntegerWeight],
) -> None:
    for plan in annotation.quantized:
        if plan.node in weights:
            insert_weight(module, plan, weights[plan.node])
        if plan.is_dynamic:
            insert_dynamic(module, plan)
    insert_static(module, annotation, parameters)


def _restored(node: Node) -> str:
    """Name of the node that gives the value of `node` after its own quantization, or its own name."""
    for user in node.users:
        if ir.operator_name(user.target) == "quantize_per_tensor":
            return str(next(iter(user.users)).name)
    return str(node.name)

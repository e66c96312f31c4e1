"""Quantize a Program as a scheme asks and the capability map of a target allows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config import GqScheme
from edgewright.config.schemes import RoundingScheme
from edgewright.datasets import Samples
from edgewright.gq import half, ranges, sensitivity, validate
from edgewright.gq.annotate import Annotation, annotate, names_of
from edgewright.gq.annotate import Quantized as QuantizedOperator
from edgewright.gq.collect import rows
from edgewright.gq.constants import Constants, constants_of
from edgewright.gq.corrections import equalize
from edgewright.gq.encodings import (
    CorrectionEncoding,
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
from edgewright.gq.refine import EQUALIZE, Judge, Rows, Step, refine
from edgewright.gq.rounding import RoundingMethod
from edgewright.gq.rounding import load as load_rounding
from edgewright.gq.scheme import Resolved
from edgewright.gq.weights import IntegerWeight, integer_weight
from edgewright.memory import bounded
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.threads import one_thread

DRIFT_ROWS = 16
"""Calibration rows that the drift of modules is measured on."""

HALF_ROWS = 256
"""Calibration rows that are looked at for values that half precision cannot hold."""

_HALF_BATCH = 16
_DEFAULT_ROUNDING = RoundingScheme(method="gptq")


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
        sample: calibration data, read once for the ranges and again, or its first rows, to round, correct and judge.
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
    with one_thread(), bounded():
        return _quantized(_Work(program, target, scheme, sample, encodings, progress, where))


@dataclass(frozen=True, slots=True)
class _Work:
    """What a program is quantized with."""

    program: ExportedProgram
    target: Target
    scheme: GqScheme
    sample: Samples
    overrides: Overrides | None
    progress: Progress
    where: str


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A program with its quantize-dequantize pairs.

    `restored` holds for each scope the names of its last tensor in float and after its own quantization, and the
    operator.
    """

    module: GraphModule
    restored: Mapping[str, tuple[str, str, str]]
    described: Encodings
    steps: tuple[Step, ...]


def _quantized(work: _Work) -> Quantized:
    ir.register()
    reference = ir.unlift(work.program)
    samples = Rows(reference, work.sample)
    judge = Judge(reference, samples.judged)
    best = _attempt(work, reference, samples, judge)
    steps = best.steps
    if EQUALIZE in work.scheme.corrections:
        module = ir.unlift(work.program)
        changed = equalize.prepare(module)
        if changed:
            other = _attempt(work, reference, samples, judge, module)
            error, before = judge.error(other.module), judge.error(best.module)
            applied = error < before
            step = Step((EQUALIZE,), len(changed), applied, error, before)
            best, steps = (other, (step, *other.steps)) if applied else (best, (step, *best.steps))
    drift = sensitivity.measure(
        reference, best.module, best.restored, rows(best.module, work.sample.head(DRIFT_ROWS))
    )
    corrections = tuple(CorrectionEncoding(**asdict(step)) for step in steps)
    result = ir.relift(best.module, work.program)
    ir.verify(result)
    described = best.described.model_copy(update={"corrections": corrections})
    return Quantized(result, described.json_value(), drift, ranges.warnings(described.tensors))


def _attempt(
    work: _Work, reference: GraphModule, samples: Rows, judge: Judge, module: GraphModule | None = None
) -> _Attempt:
    """Quantize the program, or `module` in its place."""
    module = ir.unlift(work.program) if module is None else module
    scheme, overrides = work.scheme, work.overrides
    resolved = Resolved(scheme, names_of(module).values(), work.where)
    annotation = Annotation((), ()) if scheme.is_float else annotate(module, work.target, resolved)
    names = name_tensors(module)
    halved = half.operators(module, annotation) if scheme.dtype == "float16" else ()
    half.check(module, halved, names, rows(module, work.sample.head(HALF_ROWS), _HALF_BATCH) if halved else ())
    groups = solve(annotation, names)
    weighted = [plan for plan in annotation.quantized if plan.kernel.weights is not None]
    if overrides is not None:
        overrides.check(work.target, groups, {owner_of(plan.node) or "": plan.scheme.weights for plan in weighted})
    wanted = ranges.wanted(annotation, groups, names, scheme, overrides, work.where)
    found, _ = ranges.find(module, wanted, names, work.sample, work.progress)
    by_tensor = {tensor: found[group.name].parameters for tensor, group in parameters_by_tensor(groups).items()}
    weights = {plan.node: _weight(module, plan, by_tensor, overrides) for plan in weighted}
    exact = {plan.node: _exact(module, plan, weights[plan.node]) for plan in weighted}
    outputs = sensitivity.observed(module, names)
    _insert(module, annotation, by_tensor, weights)
    restored = {scope: (node.name, _restored(node), ir.operator_name(node.target)) for scope, node in outputs.items()}
    constants = [
        constants_of(module, plan, weights[plan.node], exact[plan.node], _is_given(plan, overrides))
        for plan in weighted
    ]
    methods = _methods(weighted, work)
    steps, rounded = refine(reference, module, constants, methods, scheme.corrections, samples, judge)
    half.convert(module, halved)
    final = [_final(item, rounded) for item in constants]
    described = Encodings(
        target=work.target.name,
        tensors=tuple(ranges.encoding(group, found[group.name], names) for group in groups),
        weights=tuple(
            weight_encoding(weight, ir.operator_name(item.node.target))
            for item, weight in zip(constants, final, strict=True)
        ),
        dynamic=tuple(dict.fromkeys(ir.scope(plan.node) for plan in annotation.quantized if plan.is_dynamic)),
        float16=tuple(dict.fromkeys(ir.scope(node) for node in halved)),
        left_float=tuple(left_float_encoding(item) for item in annotation.left_float),
    )
    return _Attempt(module, restored, described, tuple(steps))


def _methods(plans: list[QuantizedOperator], work: _Work) -> dict[str, tuple[str, RoundingMethod]]:
    """Name and rounding method of each operator whose weight is not simply rounded to nearest, by its name."""
    found = {}
    for plan in plans:
        assert plan.scheme.weights is not None
        default = _DEFAULT_ROUNDING if plan.is_static else RoundingScheme()
        chosen = plan.scheme.weights.rounding or default
        method = load_rounding(chosen.method, chosen.options, f"{work.where}.weights.rounding")
        if method.needs_inputs:
            found[plan.node.name] = (chosen.method, method)
    return found


def _exact(module: GraphModule, plan: QuantizedOperator, weight: IntegerWeight) -> torch.Tensor | None:
    source = weight_of(plan.node)
    return None if source is None or weight.source == "aq" else ir.tensor_of(module, source)


def _is_given(plan: QuantizedOperator, overrides: Overrides | None) -> bool:
    return overrides is not None and overrides.lists(owner_of(plan.node) or "")


def _final(constants: Constants, rounded: Mapping[str, str]) -> IntegerWeight:
    weight = constants.weight
    scale = weight.scale if constants.scale is None else constants.scale
    source = rounded.get(constants.node.name, weight.source) if constants.exact is not None else weight.source
    return replace(weight, scale=scale, source=source)


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

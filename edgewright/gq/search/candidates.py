"""A Program quantized with each candidate precision, ready to be mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config.precision import FLOAT
from edgewright.config.schemes import GqScheme, LayerScheme
from edgewright.datasets import Sample
from edgewright.gq import calibration
from edgewright.gq.annotate import Quantized, annotate, names_of
from edgewright.gq.collect import observe
from edgewright.gq.correction import correctable, shift
from edgewright.gq.groups import QuantizedTensor, grid_of, parameters_by_tensor, solve
from edgewright.gq.names import name_tensors
from edgewright.gq.operators import bias_of
from edgewright.gq.parameters import Parameters
from edgewright.gq.scheme import Resolved
from edgewright.gq.search.simulation import Changes, Precision, changes
from edgewright.gq.search.units import Unit, units
from edgewright.gq.weights import IntegerWeight, integer_weight
from edgewright.ir import tensor_of
from edgewright.progress import Progress, silent
from edgewright.rounding import Grid, dequantize
from edgewright.targets import Target

Assignment = tuple[int, ...]
"""For each unit the index of its candidate."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The precisions that a search mixes.

    Attributes:
        module: the float Program, unlifted.
        names: name of each tensor.
        precisions: one for each candidate, in their order.
        fixed: the operators that `layers` of the scheme has already decided on, as the scheme quantizes them.
        units: what there is to choose, without `fixed`.
    """

    module: GraphModule
    names: Mapping[Node, str]
    precisions: tuple[Precision, ...]
    fixed: Precision
    units: tuple[Unit, ...]

    def changes(self, assignment: Assignment) -> Changes:
        """What an assignment changes in the float Program."""
        chosen = [(self.fixed, plan) for plan in self.fixed.plans.values()]
        for unit, index in zip(self.units, assignment, strict=True):
            precision = self.precisions[index]
            chosen += [(precision, precision.plans[node]) for node in unit.operators if node in precision.plans]
        return changes(chosen)

    def layers(self, assignment: Assignment) -> dict[Unit, str]:
        """Name of the precision of each unit."""
        return {unit: self.precisions[index].name for unit, index in zip(self.units, assignment, strict=True)}

    @cached_property
    def legal(self) -> tuple[tuple[int, ...], ...]:
        """For each unit the candidates that differ for it; float stands for those that its target cannot run."""
        found = []
        for unit in self.units:
            distinct = [
                index for index, precision in enumerate(self.precisions)
                if precision.name == FLOAT or any(node in precision.plans for node in unit.operators)
            ]
            found.append(tuple(distinct) or (0,))
        return tuple(found)


def prepare(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    names: Sequence[str],
    sample: Sample,
    where: str,
    progress: Progress = silent,
) -> Candidates:
    """Calibrate and round `program` once for each candidate, and find the units.

    Args:
        program: a float Program, or with integer weights from aq.
        target: the capability map.
        scheme: granularity, symmetry and calibration of every candidate; its `layers` stay as they are.
        names: the candidates, precisions in short.
        sample: calibration data.
        where: key of the scheme, the start of a message.
        progress: called for each row of each pass.
    """
    ir.register()
    module = ir.unlift(program)
    tensors = name_tensors(module)
    asked = names_of(module)
    fixed_names = set(scheme.layers)
    own = Resolved(scheme, asked.values(), where)
    untouched = Resolved(scheme.model_copy(update={"layers": {}}), asked.values(), where)
    fixed = {node for node, called in asked.items() if fixed_names and own.at(*called) != untouched.at(*called)}
    layers = [(name, scheme.resolved(name)) for name in names]
    found = [
        _precision(module, target, name, _uniform(scheme, layer), tensors, sample, where, progress)
        for name, layer in layers
    ]
    manual = _precision(module, target, "layers", scheme, tensors, sample, where, progress) if fixed else None
    free = [{node: plan for node, plan in item.plans.items() if node not in fixed} for item in found]
    kept = Precision(
        "layers",
        {node: plan for node, plan in manual.plans.items() if node in fixed} if manual else {},
        manual.parameters if manual else {}, manual.weights if manual else {},
        manual.biases if manual else {},
    )  # fmt: skip
    return Candidates(module, tensors, tuple(found), kept, units(free, tensors))


def _uniform(scheme: GqScheme, layer: LayerScheme | None) -> GqScheme | None:
    if layer is None:
        return None
    return scheme.model_copy(update={"weights": layer.weights, "activations": layer.activations, "layers": {}})


def _precision(
    module: GraphModule,
    target: Target,
    name: str,
    scheme: GqScheme | None,
    tensors: Mapping[Node, str],
    sample: Sample,
    where: str,
    progress: Progress,
) -> Precision:
    if scheme is None:
        return Precision(name, {}, {}, {}, {})
    annotation = annotate(module, target, Resolved(scheme, names_of(module).values(), where))
    groups = solve(annotation, tensors)
    biased = correctable([plan for plan in annotation.quantized if plan.kernel.weights is not None])
    parameters: dict[QuantizedTensor, Parameters] = {}
    means: Mapping[Node, Tensor] = {}
    if groups:
        assert scheme.activations is not None
        chosen = scheme.activations.calibration
        method = calibration.load(chosen.method, chosen.options, f"{where}.activations.calibration")
        averaged = list(dict.fromkeys(biased.values()))
        ranges, means = observe(module, groups, tensors, method, sample, progress, averaged)
        parameters = {
            tensor: group.grid.spanning(*ranges[group.name]) for tensor, group in parameters_by_tensor(groups).items()
        }
    plans = {plan.node: plan for plan in annotation.quantized}
    weights, biases = {}, {}
    for node, plan in plans.items():
        if plan.kernel.weights is None:
            continue
        border = None
        if plan.is_static:
            ends = (plan.edges[0][1], plan.tail)
            first, last = (parameters[QuantizedTensor(end, grid_of(plan))] for end in ends)
            border = first, last
        weight = integer_weight(module, plan, border)
        weights[node] = _float(plan, weight)
        bias = bias_of(node)
        if node in biased and weight.error is not None and bias is not None:
            own = tensor_of(module, bias)
            biases[node] = (own.to(torch.float64) + shift(node, weight.error, means[biased[node]])).to(own.dtype)
    return Precision(name, plans, parameters, weights, biases)


def _float(plan: Quantized, weight: IntegerWeight) -> Tensor:
    """What the integers of a weight stand for, in its shape."""
    values = weight.values.movedim(weight.axis, 0)
    if weight.scheme.group is None:
        shape = [-1] + [1] * (values.ndim - 1)
        scale, zero = weight.scale.reshape(shape), weight.zero_point.reshape(shape)
        return ((values.to(torch.float32) - zero) * scale).movedim(0, weight.axis)
    grid = Grid(weight.scheme.bits, weight.scheme.symmetric, weight.scheme.group)
    return dequantize(values, weight.scale, weight.zero_point, grid)

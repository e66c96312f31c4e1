"""A Program quantized with each candidate precision, ready to be mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.config.precision import FLOAT
from edgewright.config.schemes import GqScheme, LayerScheme
from edgewright.datasets import Samples
from edgewright.gq import ranges
from edgewright.gq.annotate import Annotation, Quantized, annotate, names_of
from edgewright.gq.corrections.bias import correctable, shift
from edgewright.gq.groups import Group, QuantizedTensor, grid_of, parameters_by_tensor, solve
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

OWN = "scheme"
"""Name of the candidate that is the scheme's own precision."""

_LAYERS = "layers"

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
    sample: Samples,
    where: str,
    progress: Progress = silent,
) -> Candidates:
    """Calibrate `program` once for all candidates, round its weights for each, and find the units.

    Args:
        program: a float Program, or with integer weights from aq.
        target: the capability map.
        scheme: granularity, symmetry and calibration of every candidate; its `layers` stay as they are.
        names: the candidates, precisions in short, or `OWN`.
        sample: calibration data.
        where: key of the scheme, the start of a message.
        progress: called for each row.
    """
    ir.register()
    module = ir.unlift(program)
    tensors, asked = name_tensors(module), names_of(module)
    own = Resolved(scheme, asked.values(), where)
    plain = scheme.model_copy(update={"layers": {}})
    untouched = Resolved(plain, asked.values(), where)
    fixed = {node for node, by in asked.items() if own.at(*by) != untouched.at(*by)}
    uniform = [plain if name == OWN else _uniform(plain, scheme.resolved(name)) for name in names]
    called = asked.values()
    parts = [
        None if wanted is None else _Part(name, wanted, annotate(module, target, Resolved(wanted, called, where)))
        for name, wanted in zip((*names, _LAYERS), (*uniform, scheme if fixed else None), strict=True)
    ]
    with torch.no_grad():
        precisions = _calibrated(module, [part for part in parts if part], tensors, sample, where, progress)
    *found, manual = (
        Precision(name, {}, {}, {}, {}) if part is None else precisions[part.name]
        for name, part in zip((*names, _LAYERS), parts, strict=True)
    )
    free = [{node: plan for node, plan in item.plans.items() if node not in fixed} for item in found]
    kept = replace(manual, plans={node: plan for node, plan in manual.plans.items() if node in fixed})
    return Candidates(module, tensors, tuple(found), kept, units(free, tensors))


@dataclass(frozen=True, slots=True)
class _Part:
    """One scheme on the program."""

    name: str
    scheme: GqScheme
    annotation: Annotation


def _uniform(scheme: GqScheme, layer: LayerScheme | None) -> GqScheme | None:
    if layer is None:
        return None
    return scheme.model_copy(update={"weights": layer.weights, "activations": layer.activations})


def _calibrated(
    module: GraphModule, parts: Sequence[_Part], tensors: Mapping[Node, str], sample: Samples, where: str,
    progress: Progress,
) -> dict[str, Precision]:  # fmt: skip
    """All parts, calibrated in one pass over the sample."""
    groups = {part.name: solve(part.annotation, tensors) for part in parts}
    biased = {
        part.name: correctable([plan for plan in part.annotation.quantized if plan.kernel.weights is not None])
        for part in parts
    }
    wanted = [
        replace(item, group=replace(item.group, name=_called(part.name, item.group)))
        for part in parts
        for item in ranges.wanted(part.annotation, groups[part.name], tensors, part.scheme, None, where)
    ]
    averaged = list(dict.fromkeys(source for sources in biased.values() for source in sources.values()))
    found, means = ranges.find(module, wanted, tensors, sample, progress, averaged)
    result = {}
    for part in parts:
        parameters = {
            tensor: found[_called(part.name, group)].parameters
            for tensor, group in parameters_by_tensor(groups[part.name]).items()
        }
        result[part.name] = _rounded(module, part, parameters, biased[part.name], means)
    return result


def _called(part: str, group: Group) -> str:
    return f"{group.name} of {part}"


def _rounded(
    module: GraphModule, part: _Part, parameters: Mapping[QuantizedTensor, Parameters], biased: Mapping[Node, Node],
    means: Mapping[Node, Tensor],
) -> Precision:  # fmt: skip
    plans = {plan.node: plan for plan in part.annotation.quantized}
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
        if node in biased and weight.error is not None and bias is not None and "bias" in part.scheme.corrections:
            own = tensor_of(module, bias)
            biases[node] = (own.to(torch.float64) + shift(node, weight.error, means[biased[node]])).to(own.dtype)
    return Precision(part.name, plans, parameters, weights, biases)


def _float(plan: Quantized, weight: IntegerWeight) -> Tensor:
    """What the integers of a weight stand for, in its shape."""
    values = weight.values.movedim(weight.axis, 0)
    if weight.scheme.group is None:
        shape = [-1] + [1] * (values.ndim - 1)
        scale, zero = weight.scale.reshape(shape), weight.zero_point.reshape(shape)
        return ((values.to(torch.float32) - zero) * scale).movedim(0, weight.axis)
    grid = Grid(weight.scheme.bits, weight.scheme.symmetric, weight.scheme.group)
    return dequantize(values, weight.scale, weight.zero_point, grid)

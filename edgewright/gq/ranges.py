"""The range of every tensor: by the calibration method that the scheme names for it, or as it is given."""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from edgewright.config.schemes import Calibration, GqScheme, TensorCalibration
from edgewright.datasets import Samples
from edgewright.errors import InputError
from edgewright.gq import calibration, patterns
from edgewright.gq.annotate import Annotation
from edgewright.gq.calibration import CalibrationMethod, Observer
from edgewright.gq.calibration._given import Given
from edgewright.gq.collect import observe
from edgewright.gq.encodings import Overrides, TensorEncoding, tensor_encoding
from edgewright.gq.groups import Group, QuantizedTensor, grid_of
from edgewright.gq.parameters import Parameters
from edgewright.parallel import ordered_map
from edgewright.progress import Progress, silent

GIVEN = "given"
"""The method of a tensor whose range stands in the scheme."""

EDITED = "encodings"
"""The method of a tensor whose parameters come from an edited encodings.json."""

NOTABLE_CLIPPED = 0.01
"""A share of clipped values that is worth a warning."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a group of tensors gets its parameters.

    Attributes:
        group: the tensors.
        name: name of the method, or how the parameters were given.
        method: what searches a range, or None where parameters are given.
        given: parameters that are given.
        max_clipped: share of the values that may be clipped.
    """

    group: Group
    name: str
    method: CalibrationMethod | None
    given: Parameters | None
    max_clipped: float


@dataclass(frozen=True, slots=True)
class Found:
    """Parameters of a group of tensors.

    Attributes:
        parameters: scale and zero point.
        method: how they were found.
        clipped: share of the sample's values that lie outside of the range by more than half a step; counted in bins
            where the method counts in bins.
    """

    parameters: Parameters
    method: str
    clipped: float


def wanted(
    annotation: Annotation,
    groups: Sequence[Group],
    names: Mapping[Node, str],
    scheme: GqScheme,
    overrides: Overrides | None,
    where: str,
) -> tuple[Wanted, ...]:
    """How each group gets its parameters: overrides first, then `tensors`, then the method of its operator's scheme.

    Raises:
        ConfigError: a pattern of `tensors` matches no tensor, or has no effect, or a method or option does not exist.
    """
    named = {} if scheme.activations is None else scheme.activations.calibration.tensors
    known = {group.name: (group.name, *(names[member] for member in group.members[1:])) for group in groups}
    place = f"{where}.activations.calibration"
    patterns.check(named, list(known.values()), f"{place}: tensors", "quantized tensor")
    general = _calibrations(annotation)
    found = []
    for group in groups:
        usual = general[QuantizedTensor(group.members[0], group.grid)]
        item = patterns.last(named, known[group.name], TensorCalibration(method=usual.method, options=usual.options))
        name, method, given = EDITED, None, None if overrides is None else overrides.parameters(group.name)
        if given is None and item.given is not None:
            name, given = GIVEN, group.grid.spanning(*item.given)
        elif given is None and item.method is not None:
            name, method = item.method, calibration.load(item.method, item.options, place)
        found.append(Wanted(group, name, method, given, usual.max_clipped))
    return tuple(found)


def find(
    module: GraphModule,
    wanted: Sequence[Wanted],
    names: Mapping[Node, str],
    sample: Samples,
    progress: Progress = silent,
    averaged: Collection[Node] = (),
) -> tuple[dict[str, Found], dict[Node, torch.Tensor]]:
    """Parameters of each group by its name, and the mean over the sample of each node of `averaged` (see `observe`).

    Raises:
        InputError: a tensor would be clipped more than its scheme allows, an activation is NaN or infinite, or the
            sample does not fit the program.
    """
    if not wanted and not averaged:
        return {}, {}
    # Groups that differ in their grids only look at the same counts.
    shared: dict[tuple[Node, CalibrationMethod], Observer] = {}
    watching: dict[Node, list[Observer]] = {}
    sources: dict[str, list[Observer]] = {}
    for item in wanted:
        for node in item.group.sources:
            observer: Observer
            if item.method is None:
                assert item.given is not None
                observer = Given(item.group.grid, item.given)
                watching.setdefault(node, []).append(observer)
            elif (node, item.method) in shared:
                observer = shared[node, item.method]
            else:
                observer = shared[node, item.method] = item.method.observer()
                watching.setdefault(node, []).append(observer)
            sources.setdefault(item.group.name, []).append(observer)
    means = observe(module, watching, names, sample, progress, averaged)
    results = list(ordered_map(lambda item: _found(item, sources[item.group.name]), wanted))
    _check(wanted, results)
    return {item.group.name: result for item, result in zip(wanted, results, strict=True)}, means


def encoding(group: Group, found: Found, names: Mapping[Node, str]) -> TensorEncoding:
    """The entry of a group in encodings.json."""
    return tensor_encoding(group, found.parameters, found.method, found.clipped, names)


def warnings(tensors: Sequence[TensorEncoding]) -> tuple[str, ...]:
    """A line for each tensor that is clipped by more than 1 % of its values."""
    return tuple(
        f"'{item.name}': {item.method} leaves {item.clipped:.2%} of the values outside of {item.min:g} to {item.max:g}"
        for item in tensors
        if item.clipped > NOTABLE_CLIPPED
    )


def _calibrations(annotation: Annotation) -> dict[QuantizedTensor, Calibration]:
    """What the scheme of the operator that makes a tensor says, or of the first that reads it."""
    found: dict[QuantizedTensor, Calibration] = {}
    plans = [plan for plan in annotation.quantized if plan.is_static]
    for plan in plans:
        assert plan.scheme.activations is not None
        found[QuantizedTensor(plan.tail, grid_of(plan))] = plan.scheme.activations.calibration
    for plan in plans:
        assert plan.scheme.activations is not None
        for _, source in plan.edges:
            found.setdefault(QuantizedTensor(source, grid_of(plan)), plan.scheme.activations.calibration)
    return found


def _found(item: Wanted, observers: Sequence[Observer]) -> Found:
    whole, *others = observers
    if others:
        whole = deepcopy(whole)
        for other in others:
            whole.join(other)
    grid = item.group.grid
    parameters = item.given or grid.spanning(*whole.range(grid))
    return Found(parameters, item.name, whole.outside(*grid.reach(parameters)) / max(whole.values, 1))


def _check(wanted: Sequence[Wanted], results: Sequence[Found]) -> None:
    pairs = zip(wanted, results, strict=True)
    wrong = [(result.clipped, item) for item, result in pairs if result.clipped > item.max_clipped]
    if wrong:
        share, item = max(wrong, key=lambda pair: pair[0])
        more = f", and {len(wrong) - 1} more tensors" if len(wrong) > 1 else ""
        raise InputError(
            f"calibration: '{item.group.name}': {item.name} leaves {share:.2%} of the values outside of its range{more}"
            f"; max_clipped is {item.max_clipped:.2%}: widen its range, name another method for it under tensors, or "
            "raise max_clipped"
        )

"""Rounding with the inputs in view, and corrections: step by step, each kept only where the output gets nearer."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter

from edgewright import registry
from edgewright.datasets import Samples
from edgewright.gq.collect import Row, batch_size, rows
from edgewright.gq.constants import Constants
from edgewright.gq.corrections import PACKAGE
from edgewright.gq.lockstep import Meeting, walk
from edgewright.gq.moments import has_vectors, moments
from edgewright.gq.rounding import RoundingMethod
from edgewright.gq.rounding._problem import Problem
from edgewright.parallel import ordered_map
from edgewright.rounding import QuantizedWeight

BATCH = 16
"""Rows that run at once."""

ELEMENTS = 1 << 25
"""Rows are left out where the largest tensor of all rows together would have more elements."""

_HELD_OUT = 4
_RIDGE = 0.1

BIAS = "bias"
EQUALIZE = "equalize"

Action = Callable[[Constants, Meeting], bool]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was tried on a quantized program.

    Attributes:
        methods: a rounding method, corrections, or both in one walk through the graph.
        operators: how many operators it changed.
        applied: whether it was kept.
        output_mse, output_mse_without: mean squared error of the output on the rows that judge, with and without it.
    """

    methods: tuple[str, ...]
    operators: int
    applied: bool
    output_mse: float
    output_mse_without: float


class Rows:
    """The calibration rows that corrections are fitted on, and those that judge them.

    Every fourth batch judges; of fewer than four batches all do both. The sample is read anew by whoever goes through
    one of them.

    Attributes:
        fitted: batches to fit on.
        judged: batches to judge on.
    """

    def __init__(self, module: GraphModule, sample: Samples) -> None:
        largest = max(_elements(node.meta.get("val")) for node in module.graph.nodes)
        count = max(BATCH, min(len(sample), ELEMENTS // max(largest, 1)))
        head = sample.head(count)
        batches = -(-len(head) // batch_size(module, BATCH))
        held = range(_HELD_OUT - 1, batches, _HELD_OUT)
        self.judged: Iterable[Row] = _Part(module, head, held or range(batches))
        self.fitted: Iterable[Row] = _Part(module, head, [index for index in range(batches) if index not in held])


class _Part:
    """Some batches of a sample."""

    def __init__(self, module: GraphModule, sample: Samples, chosen: Collection[int]) -> None:
        self._module, self._sample, self._chosen = module, sample, chosen

    def __iter__(self) -> Iterator[Row]:
        numbered = enumerate(rows(self._module, self._sample, BATCH))
        return (row for index, row in numbered if index in self._chosen)


class Judge:
    """Mean squared difference of a program's output to the float program's."""

    def __init__(self, reference: GraphModule, batches: Iterable[Row]) -> None:
        self._reference, self._batches = reference, batches

    def error(self, module: GraphModule) -> float:
        """Over all outputs and rows."""

        def of_batch(batch: Row) -> tuple[float, int]:
            pairs = zip(_outputs(self._reference, batch), _outputs(module, batch), strict=True)
            errors = [(float((one.double() - other.double()).square().sum()), one.numel()) for one, other in pairs]
            return sum(error for error, _ in errors), sum(count for _, count in errors)

        total, values = 0.0, 0
        for error, count in ordered_map(of_batch, self._batches):
            total, values = total + error, values + count
        return total / max(values, 1)


def _outputs(module: GraphModule, batch: Row) -> tuple[Tensor, ...]:
    with torch.no_grad():
        result: Any = Interpreter(module).run(*batch)
    return (result,) if isinstance(result, Tensor) else tuple(result)


def refine(
    reference: GraphModule,
    module: GraphModule,
    operators: Sequence[Constants],
    methods: Mapping[str, tuple[str, RoundingMethod]],
    corrections: Iterable[str],
    samples: Rows,
    judge: Judge,
) -> tuple[list[Step], dict[str, str]]:
    """Try the rounding methods, then each correction; undo what does not bring the output nearer.

    A rounding method is tried together with the bias correction, where that is asked for: it leaves the mean of the
    error to the bias.

    Args:
        reference: the unlifted float Program.
        module: the same, quantized, its weights rounded to nearest; its constants are written.
        operators: those whose constants may be written, in graph order.
        methods: name and rounding method of the operators that get one, by name of the operator.
        corrections: names, in the order in which they are tried.
        samples: rows to fit on.
        judge: of the output.

    Returns:
        What was tried, and the method of the operators whose rounding was kept, by name of the operator.
    """
    trial = _Trial(reference, module, operators, samples.fitted, judge)
    wanted = [name for name in corrections if name != EQUALIZE]
    adjust = {name: _adjust(name) for name in wanted}
    rounded: dict[str, str] = {}
    if methods:
        names = tuple(dict.fromkeys(name for name, _ in methods.values()))
        actions: list[Action] = [partial(_round, methods=methods, leaves_mean=BIAS in adjust)]
        actions += [adjust[BIAS]] if BIAS in adjust else []
        if trial.run((*names, BIAS) if BIAS in adjust else names, actions):
            rounded = {name: method for name, (method, _) in methods.items()}
            wanted = [name for name in wanted if name != BIAS]
    for name in wanted if any(item.bias is not None for item in operators) else ():
        trial.run((name,), [adjust[name]])
    return trial.steps, rounded


class _Trial:
    def __init__(
        self, reference: GraphModule, module: GraphModule, operators: Sequence[Constants], batches: Iterable[Row],
        judge: Judge,
    ) -> None:  # fmt: skip
        self._reference, self._module, self._batches, self._judge = reference, module, batches, judge
        self._operators = {item.node.name: item for item in operators}
        self.steps: list[Step] = []
        self._error: float | None = None

    def run(self, methods: tuple[str, ...], actions: Sequence[Action]) -> bool:
        """Walk through the graph with `actions` at every operator, and undo them unless the output got nearer."""
        before = self._judge.error(self._module) if self._error is None else self._error
        saved = [(tensor, tensor.clone()) for item in self._operators.values() for tensor in item.written()]
        count = 0
        for meeting in walk(self._reference, self._module, self._operators, self._batches):
            done = [action(self._operators[meeting.node.name], meeting) for action in actions]
            count += any(done)
        if not count:
            return False
        error = self._judge.error(self._module)
        applied = error < before
        self.steps.append(Step(methods, count, applied, error, before))
        self._error = error if applied else before
        for tensor, value in saved if not applied else ():
            tensor.copy_(value)
        return applied


def _adjust(name: str) -> Action:
    module: ModuleType = registry.load(PACKAGE, name)
    found: Action = module.adjust
    return found


def _round(
    constants: Constants, meeting: Meeting, methods: Mapping[str, tuple[str, RoundingMethod]], leaves_mean: bool
) -> bool:
    """Round the weight of an operator anew; False where that stays as it is."""
    node, exact = constants.node, constants.exact
    if node.name not in methods or exact is None or not has_vectors(node):
        return False
    found = moments(node, tuple(exact.shape), meeting.inputs, meeting.outputs)
    if leaves_mean and constants.bias is not None:
        found = found.centered()
    plain, matrix = constants.matrix(), exact.flatten(1).double()
    groups = len(found.square)
    bias = torch.zeros(len(matrix)).double() if constants.exact_bias is None else constants.exact_bias.double()
    if leaves_mean and constants.bias is not None:
        bias = torch.zeros_like(bias)
    keeps = constants.keeps_scale or constants.scale is None
    parts = []
    split = [item.chunk(groups) for item in (matrix, plain.integers, plain.scale, plain.zero_point, bias)]
    for index, (weights, integers, scale, zero_point, offset) in enumerate(zip(*split, strict=True)):
        hessian = found.square[index]
        cross = found.cross[index] - offset.unsqueeze(1) * found.inputs[index]
        regressed = _regressed(weights, hessian, cross)
        nearest = QuantizedWeight(integers, scale, zero_point, plain.grid)
        parts.append(methods[node.name][1].round(Problem(weights, hessian, regressed, nearest, keeps)))
    constants.write(
        QuantizedWeight(
            torch.cat([part.integers for part in parts]), torch.cat([part.scale for part in parts]),
            torch.cat([part.zero_point for part in parts]), plain.grid,
        )
    )  # fmt: skip
    return True


def _regressed(matrix: Tensor, hessian: Tensor, cross: Tensor) -> Tensor:
    """The matrix of least squares for E[y x^T] = `cross`, drawn to `matrix` by a ridge, [rows, columns]."""
    ridge = _RIDGE * hessian.diagonal().mean()
    if not bool(ridge > 0):
        return matrix
    damped = hessian + ridge * torch.eye(len(hessian), dtype=hessian.dtype)
    return matrix + torch.linalg.solve(damped, (cross - matrix @ hessian).T).T


def _elements(value: Any) -> int:
    """Elements of one row of a tensor."""
    if not isinstance(value, Tensor) or not value.ndim:
        return 0
    return int(torch.Size(int(size) for size in value.shape[1:]).numel())

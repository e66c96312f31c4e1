"""What each rounding adds to the error of the output, all of them from a few backward passes.

Rounding a weight or a tensor moves it by d. To first order the output moves by J d, J the Jacobian of the output with
respect to what is rounded; the squared error of a mixed program is

    E |sum_k J_k d_k|^2 = E_v E_x (sum_k s_k)^2,    s_k = (J_k^T v) . d_k

over random v of independent elements +1 and -1 (Hutchinson's estimator), or exactly over the unit vectors v where the
output has few elements. J_k^T v comes from one backward pass for all k at once, so that the numbers s_k of every
operator and every candidate cost as much as a handful of runs; errors that cancel or add up between operators are
part of the sum, which a figure for each operator alone does not hold.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from edgewright.gq.annotate import Quantized
from edgewright.gq.groups import grid_of
from edgewright.gq.operators import bias_of, is_linear, weight_of
from edgewright.gq.parameters import ActivationGrid
from edgewright.gq.search.candidates import Assignment, Candidates
from edgewright.gq.search.simulation import Precision, Rounding, dynamic, static
from edgewright.ir import operator_name, tensor_of
from edgewright.parallel import ordered_map

_EXACT = 16
_PROBES = 4


@dataclass(frozen=True, slots=True)
class _Weight:
    """The rounded weight of an operator."""

    node: Node
    precision: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor on a grid; dynamic parameters are those of each token."""

    node: Node
    grid: ActivationGrid
    is_dynamic: bool


_Term = _Weight | _Tensor


class Contributions:
    """The numbers s_k, and the error that they forecast for an assignment."""

    def __init__(self, candidates: Candidates, batches: Iterable[tuple[Tensor, ...]]) -> None:
        """Run `batches` forward and backward, and round each weight and tensor alone.

        Args:
            candidates: what is mixed.
            batches: inputs of the program.
        """
        self._candidates = candidates
        everything = (*candidates.precisions, candidates.fixed)
        self._terms = tuple(dict.fromkeys(
            term for precision in everything for plan in precision.plans.values() for term in _terms(precision, plan)
        ))
        self._place = {term: index for index, term in enumerate(self._terms)}
        self._roundings: dict[_Tensor, Rounding] = {}
        self._weights: dict[_Weight, Tensor] = {}
        for precision in everything:
            self._prepare(precision)
        parts = list(ordered_map(self._batch, enumerate(batches)))
        numbers = np.concatenate([part for part, _ in parts], axis=1)
        elements = max(next((elements for _, elements in parts), 1), 1)
        # The mean of (sum_k s_k)^2 is a quadratic form of which terms are there.
        self.form: NDArray[np.float64] = numbers @ numbers.T / (numbers.shape[1] * elements)
        self._of_unit = tuple(
            tuple(
                self._places(item, [item.plans[node] for node in unit.operators if node in item.plans])
                for item in candidates.precisions
            )
            for unit in candidates.units
        )
        self._fixed = np.zeros(len(self._terms), np.int64)
        self._fixed[list(self._places(candidates.fixed, candidates.fixed.plans.values()))] = 1

    def mse(self, assignment: Assignment) -> float:
        """Forecast mean squared error of an output element."""
        return self._error(np.flatnonzero(self._counts(assignment)))

    def of_unit(self, unit: int, candidate: int) -> float:
        """Forecast where that unit alone has that candidate, all else in float."""
        return self._error(list(self._of_unit[unit][candidate]))

    def walk(self, assignment: Assignment) -> "Walk":
        """A walk through assignments that begins at one."""
        return Walk(self, assignment)

    def _error(self, terms: Any) -> float:
        return float(self.form[np.ix_(terms, terms)].sum())

    def _counts(self, assignment: Assignment) -> NDArray[np.int64]:
        """How many operators ask for each term."""
        counts = self._fixed.copy()
        for unit, index in enumerate(assignment):
            counts[list(self._of_unit[unit][index])] += 1
        return counts

    def _places(self, precision: Precision, plans: Iterable[Quantized]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self._place[term] for plan in plans for term in _terms(precision, plan)))

    def _prepare(self, precision: Precision) -> None:
        for node, weight in precision.weights.items():
            own = weight_of(node)
            assert own is not None
            if own.op == "get_attr":
                self._weights[_Weight(node, precision.name)] = weight - tensor_of(self._candidates.module, own)
        for tensor, parameters in precision.parameters.items():
            self._roundings.setdefault(_Tensor(tensor.node, tensor.grid, False), static(tensor.grid, parameters))
        for plan in precision.plans.values():
            if plan.is_dynamic:
                for _, source in plan.edges:
                    self._roundings[_Tensor(source, grid_of(plan), True)] = dynamic(grid_of(plan))

    def _batch(self, numbered: tuple[int, tuple[Tensor, ...]]) -> tuple[NDArray[np.float64], int]:
        """The numbers of one batch, [terms, samples x probes], and the elements of one sample's output."""
        number, row = numbered
        watched = {term.node for term in self._terms}
        runner = _Tapped(self._candidates.module, watched)
        with torch.enable_grad():
            result = runner.run(*row)
            output: Tensor = result if isinstance(result, Tensor) else result[0]
            nodes = [node for node in runner.taps if runner.taps[node].requires_grad]
            taps = [runner.taps[node] for node in nodes]
            deltas = self._deltas(runner.values)
            columns = []
            for direction, scale in _directions(output, number):
                gradients = torch.autograd.grad((output * direction).sum(), taps, retain_graph=True, allow_unused=True)
                by_node = dict(zip(nodes, gradients, strict=True))
                columns.append(self._numbers(by_node, deltas, len(row[0])) * scale)
        return np.concatenate(columns, axis=1), output[0].numel()

    def _deltas(self, values: Mapping[Node, Tensor]) -> list[Tensor]:
        with torch.no_grad():
            found = []
            for term in self._terms:
                if isinstance(term, _Tensor):
                    value = values[term.node]
                    found.append(self._roundings[term](value) - value)
                else:
                    found.append(_moved(term.node, self._weights.get(term), values))
            return found

    def _numbers(
        self, gradients: Mapping[Node, Tensor | None], deltas: list[Tensor], samples: int
    ) -> NDArray[np.float64]:
        matrix = np.zeros((len(self._terms), samples))
        for index, (term, delta) in enumerate(zip(self._terms, deltas, strict=True)):
            gradient = gradients.get(term.node)
            if gradient is not None and delta.numel():
                products = (gradient * delta).reshape(samples, -1) if len(delta) == samples else None
                total = (gradient * delta).sum().expand(samples) / samples if products is None else products.sum(1)
                matrix[index] = total.detach().to(torch.float64).numpy()
        return matrix


class Walk:
    """An assignment and its forecast, changed one unit at a time."""

    def __init__(self, contributions: Contributions, assignment: Assignment) -> None:
        self._from, self._counts = contributions, contributions._counts(assignment)
        there = np.flatnonzero(self._counts)
        self._sums: NDArray[np.float64] = contributions.form[:, there].sum(1)
        self._mse = float(self._sums[there].sum())
        self.assignment = assignment

    def mse(self) -> float:
        """Forecast of the assignment."""
        return self._mse

    def mse_after(self, *moves: tuple[int, int]) -> float:
        """Forecast after giving units, each with its candidate, others."""
        added, gone, _ = self._change(moves)
        form = self._from.form
        change = 2 * (self._sums[added].sum() - self._sums[gone].sum()) - 2 * form[np.ix_(added, gone)].sum()
        return float(self._mse + change + form[np.ix_(added, added)].sum() + form[np.ix_(gone, gone)].sum())

    def change(self, unit: int, candidate: int) -> None:
        """Give a unit another candidate."""
        self._mse = self.mse_after((unit, candidate))
        added, gone, self._counts = self._change(((unit, candidate),))
        form = self._from.form
        self._sums = self._sums + form[:, added].sum(1) - form[:, gone].sum(1)
        self.assignment = (*self.assignment[:unit], candidate, *self.assignment[unit + 1 :])

    def _change(self, moves: tuple[tuple[int, int], ...]) -> tuple[list[int], list[int], NDArray[np.int64]]:
        """Terms that come, terms that go, and how many operators ask for each after that."""
        counts = self._counts.copy()
        touched: set[int] = set()
        for unit, candidate in moves:
            terms = self._from._of_unit[unit]
            before, after = terms[self.assignment[unit]], terms[candidate]
            counts[list(before)] -= 1
            counts[list(after)] += 1
            touched.update(before, after)
        added = [place for place in sorted(touched) if counts[place] and not self._counts[place]]
        gone = [place for place in sorted(touched) if not counts[place] and self._counts[place]]
        return added, gone, counts


class _Tapped(Interpreter):
    """Runs the graph with a zero added to watched tensors, whose gradient is that of the tensor."""

    def __init__(self, module: GraphModule, watched: set[Node]) -> None:
        super().__init__(module)
        self.taps: dict[Node, Tensor] = {}
        self.values: dict[Node, Tensor] = {}
        self._watched = watched
        self._inputs = {source for node in watched for source in node.all_input_nodes}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n in self._inputs and isinstance(value, Tensor):
            self.values[n] = value.detach()
        if n in self._watched:
            self.values[n] = value.detach()
            tap = torch.zeros_like(value, requires_grad=True)
            self.taps[n] = tap
            value = value + tap
        return value


def _terms(precision: Precision, plan: Quantized) -> Iterator[_Term]:
    if plan.node in precision.weights:
        yield _Weight(plan.node, precision.name)
    if plan.is_static:
        yield _Tensor(plan.tail, grid_of(plan), False)
        for _, source in plan.edges:
            yield _Tensor(source, grid_of(plan), False)
    elif plan.is_dynamic:
        for _, source in plan.edges:
            yield _Tensor(source, grid_of(plan), True)


def _moved(node: Node, error: Tensor | None, values: Mapping[Node, Tensor]) -> Tensor:
    """What rounding a weight changes in the operator's output; without its mean where a bias can take that back."""
    if error is None:
        return torch.zeros(0)
    weight, bias = weight_of(node), bias_of(node)

    def read(source: Node) -> Any:
        return error if source is weight else None if source is bias else values[source]

    args = cast(tuple[Any, ...], torch.fx.map_arg(node.args, read))
    kwargs = cast(dict[str, Any], torch.fx.map_arg(node.kwargs, read))
    target = cast(Any, node.target)
    moved: Tensor = target(*args, **kwargs)
    if bias is None:
        return moved
    axis = -1 if is_linear(operator_name(node.target)) else 1
    kept = [index for index in range(moved.ndim) if index != axis % moved.ndim]
    return moved - moved.mean(kept, keepdim=True)


def _directions(output: Tensor, number: int) -> Iterator[tuple[Tensor, float]]:
    """Vectors v of the shape of a batch's output, and what makes their squares average to a sum over elements."""
    elements = output[0].numel()
    if elements <= _EXACT:
        for index in range(elements):
            one = torch.zeros(elements)
            one[index] = 1.0
            yield one.reshape(output[:1].shape).expand_as(output), elements**0.5
        return
    generator = torch.Generator().manual_seed(number)
    for _ in range(_PROBES):
        yield torch.randint(0, 2, output.shape, generator=generator).to(output.dtype) * 2 - 1, 1.0

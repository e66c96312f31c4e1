"""What is known of a layer's input from the calibration sample."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.aq.failure import LayerError
from edgewright.aq.observe import channels, observed, patches
from edgewright.parallel import ordered_map
from edgewright.rounding.output_error import row_errors


class Statistic(StrEnum):
    """A statistic that an algorithm can ask for; what nobody asks for is not collected."""

    HESSIAN = "hessian"
    MEAN_SQUARE = "mean-square"
    MEAN_MAGNITUDE = "mean-magnitude"
    MAX_MAGNITUDE = "max-magnitude"


INPUTS = 1024
"""Input vectors of a layer that are kept where nobody asks for its Hessian, to measure its output error with."""
_COLUMNS = 512
"""Rows of a Hessian that a batch is added to at once; the next batch follows behind, and the upper half is mirrored."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the input of one layer, in the dtype of its weight.

    Attributes:
        tokens: vectors seen; positions of an image count.
        inputs: some of them, evenly spaced, [weight groups, vectors, columns]; None where the Hessian is there.
        mean_magnitude: mean of |x|, [input channels]; None where not asked for.
        max_magnitude: largest |x|, [input channels]; None where not asked for.
    """

    tokens: int
    inputs: Tensor | None = None
    mean_magnitude: Tensor | None = None
    max_magnitude: Tensor | None = None
    _hessian: Tensor | None = None
    _mean_square: Tensor | None = None

    @property
    def hessian(self) -> Tensor:
        """Mean of x x^T over the tokens, [weight groups, columns, columns], for those who ask for it.

        It is half the Hessian of the mean squared output error with respect to a row of the weight matrix.
        """
        assert self._hessian is not None, "an algorithm reads the Hessian and does not name it in `statistics`"
        return self._hessian

    @property
    def mean_square(self) -> Tensor:
        """Mean of x^2 over the tokens, the Hessian's diagonal, [weight groups, columns], for those who ask for it."""
        if self._hessian is not None:
            return self._hessian.diagonal(dim1=-2, dim2=-1)
        assert self._mean_square is not None, "an algorithm reads mean squares and does not name them in `statistics`"
        return self._mean_square

    @property
    def groups(self) -> int:
        """Weight groups: 1, or the groups of a convolution."""
        return len(self.hessian if self.inputs is None else self.inputs)

    def output_error(self, difference: Tensor) -> Tensor:
        """Mean squared output error over tokens and outputs that weights off by `difference` cause.

        mean over rows d of d H d^T, for `difference` [..., out, columns]; the result has the leading dimensions.
        Without a Hessian it is the mean over `inputs`.
        """
        *leading, rows, columns = difference.shape
        split = difference.reshape(*leading, self.groups, -1, columns)
        if self.inputs is not None:
            return (split @ self.inputs.mT).square().sum((-1, -2, -3)) / (rows * self.inputs.shape[1])
        return row_errors(split, self.hessian).sum((-1, -2)) / rows


class _Sums:
    """Running sums for the layers that share an input."""

    def __init__(self, module: nn.Module, wanted: frozenset[Statistic], kept: int) -> None:
        self.module, self.wanted, self.kept = module, wanted, kept
        self.positions = self.tokens = 0
        self.mean = self.max = self.hessian = self.squares = torch.zeros(())
        self.inputs: list[Tensor] = []

    def check(self, name: str, x: Tensor) -> None:
        """Refuse an input [..., in] or [batch, in, height, width] that is not finite."""
        if not bool(torch.isfinite(x).all()):
            raise LayerError(name, "its input holds NaN or infinite values for the calibration sample")

    @property
    def parts(self) -> int:
        """How many parts an input is added in."""
        columns = cast(Tensor, self.module.weight).flatten(1).shape[1]
        return -(-columns // _COLUMNS) if Statistic.HESSIAN in self.wanted else 1

    def add(self, part: int, x: Tensor, vectors: Tensor) -> None:
        """Add a part of an input, whose `patches` are `vectors`; the first part is all but the rest of a Hessian."""
        if part == 0:
            self._add_rest(x, vectors)
        if Statistic.HESSIAN not in self.wanted:
            return
        start, columns = part * _COLUMNS, vectors.shape[2]
        stop = min(columns, start + _COLUMNS)
        if self.hessian.ndim == 0:
            self.hessian = vectors.new_zeros(vectors.shape[0], columns, columns)
        if columns <= _COLUMNS:
            self.hessian.baddbmm_(vectors.mT, vectors)
            return
        for hessian, rows in zip(self.hessian, vectors, strict=True):
            hessian[start:stop, :stop].addmm_(rows[:, start:stop].T, rows[:, :stop])

    def _add_rest(self, x: Tensor, vectors: Tensor) -> None:
        if self.wanted & {Statistic.MEAN_MAGNITUDE, Statistic.MAX_MAGNITUDE}:
            magnitude = channels(self.module, x).abs()
            self.positions += magnitude.shape[0]
            self.mean = self.mean + magnitude.sum(0)
            self.max = torch.maximum(self.max, magnitude.amax(0))
        self.tokens += vectors.shape[1]
        if Statistic.HESSIAN not in self.wanted:
            self.inputs.append(vectors[:, :: -(-vectors.shape[1] // self.kept)].clone())
            if Statistic.MEAN_SQUARE in self.wanted:
                self.squares = self.squares + vectors.square().sum(1)

    def result(self) -> Statistics:
        if self.tokens == 0:
            return Statistics(0)
        has_hessian = Statistic.HESSIAN in self.wanted
        for start in range(_COLUMNS, self.hessian.shape[-1] if has_hessian else 0, _COLUMNS):
            below = self.hessian[:, start : start + _COLUMNS, :start]
            self.hessian[:, :start, start : start + _COLUMNS] = below.mT
        return Statistics(
            self.tokens,
            None if has_hessian else torch.cat(self.inputs, 1),
            self.mean / self.positions if Statistic.MEAN_MAGNITUDE in self.wanted else None,
            self.max if Statistic.MAX_MAGNITUDE in self.wanted else None,
            self.hessian.div_(self.tokens) if has_hessian else None,
            None if has_hessian or Statistic.MEAN_SQUARE not in self.wanted else self.squares / self.tokens,
        )


class _Turns:
    """Lets one batch after the other add to the sums of a layer, in order, while several batches run."""

    def __init__(self, batches: int, repeated: Collection[str]) -> None:
        self.current = threading.local()
        self._change = threading.Condition()
        self._passed: list[set[tuple[str, int]] | None] = [set() for _ in range(batches)]
        self._repeated = repeated

    @contextmanager
    def batch(self, index: int) -> Iterator[None]:
        """Inside, this thread runs a batch."""
        self.current.batch, self.current.called = index, set()
        try:
            yield
        finally:
            with self._change:
                self._passed[index] = None
                self._change.notify_all()

    @contextmanager
    def layer(self, name: str, part: int) -> Iterator[None]:
        """Inside, all earlier batches have added this part to the layer, and no later one has."""
        index = self.current.batch
        # A layer that is called more than once has passed only when its batch has ended.
        is_once = name not in self._repeated
        with self._change:
            self._change.wait_for(
                lambda: all(done is None or (is_once and (name, part) in done) for done in self._passed[:index])
            )
        yield
        with self._change:
            done = self._passed[index]
            assert done is not None
            done.add((name, part))
            self._change.notify_all()


class _Done(Exception):
    """Raised to leave a forward pass of which nothing more is needed."""


def collect(
    modules: Mapping[str, nn.Module],
    shared: Iterable[tuple[str, ...]],
    wanted: frozenset[Statistic],
    run: Callable[[int], Tensor],
    batches: int,
    keep: Callable[[Tensor], None] | None = None,
    repeated: Collection[str] = (),
    is_traced: bool = False,
) -> dict[str, Statistics]:
    """Run a model and collect what is asked for, by layer.

    Batches run at the same time; their sums are added in order, so that their number of threads decides no bit.

    Args:
        modules: Linear and Conv2d modules by name.
        shared: names of Linear modules that always have the same input; it is counted once.
        wanted: statistics to collect.
        run: runs a calibration batch through the modules.
        batches: how many there are.
        keep: takes the outputs of `run`, in order.
        repeated: names of the modules that `run` calls more than once.
        is_traced: `run` calls each of `modules` that is not in `repeated` at most once a batch. If there are no
            repeated ones, what comes behind the first call of all of them, in whatever order, is left out unless
            `keep` wants it.

    Raises:
        LayerError: naming a layer whose input is not finite, or that nothing went through though statistics are wanted.
    """
    leader = {name: names[0] for names in shared for name in names}
    kept = -(-INPUTS // max(1, batches))
    sums = {name: _Sums(module, wanted, kept) for name, module in modules.items() if leader.get(name, name) == name}
    turns = _Turns(batches, repeated)
    can_stop = is_traced and keep is None and not repeated

    def before(name: str, x: Tensor) -> None:
        if x.numel():
            item = sums[name]
            item.check(name, x)
            vectors = patches(item.module, x)
            for part in range(item.parts):
                with turns.layer(name, part):
                    item.add(part, x, vectors)
        turns.current.called.add(name)
        # The order of calls may depend on the data, so that no single layer says that a batch is done.
        if can_stop and len(turns.current.called) == len(sums):
            raise _Done

    def run_batch(index: int) -> Tensor | None:
        with turns.batch(index), suppress(_Done):
            output = run(index)
            return None if keep is None else output
        return None

    with observed({name: modules[name] for name in sums}, before):
        for output in ordered_map(run_batch, range(batches)):
            if keep is not None and output is not None:
                keep(output)
    for name, item in sums.items():
        if item.tokens == 0 and wanted:
            raise LayerError(name, "no token of the calibration sample goes through it; skip it under layers")
    results = {name: item.result() for name, item in sums.items()}
    return {name: results[leader.get(name, name)] for name in modules}

"""What is known of a layer's input from the calibration sample."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from edgewright.aq.failure import LayerError
from edgewright.aq.observe import channels, observed, patches


class Statistic(StrEnum):
    """A statistic that an algorithm can ask for beside the Hessian; what nobody asks for is not collected."""

    MEAN_MAGNITUDE = "mean-magnitude"
    MAX_MAGNITUDE = "max-magnitude"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of the input of one layer, in the dtype of its weight.

    Attributes:
        tokens: vectors seen; positions of an image count.
        hessian: mean of x x^T over the tokens, [weight groups, columns, columns], half the Hessian of the mean
            squared output error with respect to a row of the weight matrix.
        mean_magnitude: mean of |x|, [input channels]; None where not asked for.
        max_magnitude: largest |x|, [input channels]; None where not asked for.
    """

    tokens: int
    hessian: Tensor
    mean_magnitude: Tensor | None = None
    max_magnitude: Tensor | None = None

    def output_error(self, difference: Tensor) -> Tensor:
        """Mean squared output error over tokens and outputs that weights off by `difference` cause.

        mean over rows d of d H d^T, for `difference` [..., out, columns]; the result has the leading dimensions.
        """
        *leading, rows, columns = difference.shape
        split = difference.reshape(*leading, self.hessian.shape[0], -1, columns)
        return ((split @ self.hessian) * split).sum((-1, -2, -3)) / rows


class _Sums:
    """Running sums for the layers that share an input."""

    def __init__(self, module: nn.Module, wanted: frozenset[Statistic]) -> None:
        self.module, self.wanted = module, wanted
        self.positions = self.tokens = 0
        self.mean = self.max = self.hessian = torch.zeros(())

    def add(self, name: str, x: Tensor) -> None:
        if not bool(torch.isfinite(x).all()):
            raise LayerError(name, "its input holds NaN or infinite values for the calibration sample")
        if self.wanted:
            magnitude = channels(self.module, x).abs()
            self.positions += magnitude.shape[0]
            self.mean = self.mean + magnitude.sum(0)
            self.max = torch.maximum(self.max, magnitude.amax(0))
        vectors = patches(self.module, x)
        self.tokens += vectors.shape[1]
        self.hessian = self.hessian + vectors.mT @ vectors

    def result(self) -> Statistics:
        mean = self.mean / self.positions if Statistic.MEAN_MAGNITUDE in self.wanted else None
        largest = self.max if Statistic.MAX_MAGNITUDE in self.wanted else None
        return Statistics(self.tokens, self.hessian / self.tokens, mean, largest)


def collect(
    modules: Mapping[str, nn.Module],
    shared: Iterable[tuple[str, ...]],
    wanted: frozenset[Statistic],
    run: Callable[[], None],
) -> dict[str, Statistics]:
    """Run a model and collect what is asked for, by layer.

    Args:
        modules: Linear and Conv2d modules by name.
        shared: names of Linear modules that always have the same input; it is counted once.
        wanted: statistics to collect beside the Hessian.
        run: runs the calibration sample through the modules.

    Raises:
        LayerError: naming a layer whose input is not finite, or that nothing went through.
    """
    leader = {name: names[0] for names in shared for name in names}
    sums = {name: _Sums(module, wanted) for name, module in modules.items() if leader.get(name, name) == name}

    def before(name: str, x: Tensor) -> None:
        sums[name].add(name, x)

    with observed({name: modules[name] for name in sums}, before):
        run()
    for name, item in sums.items():
        if item.tokens == 0:
            raise LayerError(name, "no token of the calibration sample goes through it; skip it under layers")
    results = {name: item.result() for name, item in sums.items()}
    return {name: results[leader.get(name, name)] for name in modules}

"""Calibration methods: one file a method, found by its name.

A method's module exposes `Method`, a frozen dataclass of its options (numbers, checked when it is made) with
`observer()`, which makes what watches one tensor.

An observer sees every value once, holds memory that does not grow with the sample, and its result depends neither on
how the sample is split into batches nor on its order: what it accumulates are integers and extremes, never
floating-point sums.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edgewright import registry
from edgewright.errors import ConfigError, nearest
from edgewright.gq.parameters import ActivationGrid

PACKAGE = "edgewright.gq.calibration"


class Observer(Protocol):
    """Sees every value of a tensor, one sample after the other, in any order."""

    @property
    def values(self) -> int:
        """How many values were seen."""

    def observe(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """Take in one sample's `values` of any shape, at least one, all finite, and their extremes."""

    def join(self, other: Self) -> None:
        """Take in what an observer of the same method saw of a tensor that shares the parameters."""

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """The range that `grid` should span; (0, 0) where no value was seen."""

    def outside(self, low: float, high: float) -> int:
        """How many values lie outside of `low` to `high`, a range that the parameters of `range` reach."""


class CalibrationMethod(Protocol):
    """What a method's module exposes as `Method`."""

    def observer(self) -> Observer:
        """A new observer."""


def load(name: str, options: Mapping[str, float], where: str) -> CalibrationMethod:
    """The method `name` with `options`.

    Args:
        name: file name of the method, `histogram`.
        options: values of its options by name; what is left out has its default.
        where: key of the method in the configuration, the start of a message.

    Raises:
        ConfigError: there is no such method or option (the nearest is named), or a value is out of range.
    """
    kind = registry.load(PACKAGE, name).Method
    known = {field.name for field in fields(kind)}
    for option in options:
        if option not in known:
            listed = f"it has: {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"{where}: {name} has no option '{option}'{nearest(option, known)}; {listed}")
    try:
        method: CalibrationMethod = kind(**options)
    except ValueError as error:
        raise ConfigError(f"{where}: {name}: {error}") from None
    return method

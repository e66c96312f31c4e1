"""Calibration methods: one file a method, found by its name.

A method's module exposes `Method`, a frozen dataclass of its options (numbers, checked when it is made) with

- `passes`: how often it must see the sample, 1 or more;
- `observer() -> Observer`: one observer for each tensor, or for each group of tensors that share parameters.

An observer holds memory that does not grow with the sample, and its result depends neither on how the values are
split into batches nor on their order: what it accumulates are integers and extremes, never floating-point sums.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright import registry
from edgewright.errors import ConfigError, nearest
from edgewright.gq.parameters import ActivationGrid

PACKAGE = "edgewright.gq.calibration"


class Observer(Protocol):
    """Sees every value of a tensor once a pass, in pieces."""

    def observe(self, values: NDArray[np.float32], turn: int) -> None:
        """Take in finite `values` of any shape in pass number `turn`, from 0."""

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        """The range that `grid` should span, after the last pass; (0, 0) where no value was seen."""


class CalibrationMethod(Protocol):
    """What a method's module exposes as `Method`."""

    @property
    def passes(self) -> int:
        """How often the method must see the sample."""

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

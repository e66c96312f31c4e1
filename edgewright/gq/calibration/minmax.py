"""The exact range of the sample: nothing is clipped."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgewright.gq.calibration._extremes import Extremes
from edgewright.gq.parameters import ActivationGrid


@dataclass(frozen=True, slots=True)
class Method:
    """No options."""

    passes: ClassVar[int] = 1

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer()


class _Observer:
    def __init__(self) -> None:
        self._extremes = Extremes()

    def observe(self, values: NDArray[np.float32], turn: int) -> None:
        self._extremes.observe(values)

    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        return self._extremes.range

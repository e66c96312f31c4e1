"""The exact range of the sample: nothing is clipped."""

from dataclasses import dataclass

from edgewright.gq.calibration._extremes import Extremes
from edgewright.gq.parameters import ActivationGrid


@dataclass(frozen=True, slots=True)
class Method:
    """No options."""

    def observer(self) -> "_Observer":
        """A new observer."""
        return _Observer()


class _Observer(Extremes):
    def range(self, grid: ActivationGrid) -> tuple[float, float]:
        return self.whole

    def outside(self, low: float, high: float) -> int:
        # The parameters of the whole range reach all of it.
        return 0

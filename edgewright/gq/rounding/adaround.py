"""AdaRound on the graph: learn which weights are rounded up, on the operator's quantized inputs.

The mathematics is `edgewright.rounding.adaround`; scales are searched first. The activation behind the operator is
not part of the reconstruction. Nagel et al. 2020, arXiv:2004.10568.
"""

from dataclasses import dataclass
from typing import ClassVar

from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import QuantizedWeight
from edgewright.rounding.adaround import learn

_WIDE_BITS = 8


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        iterations: steps of Adam.
        rate: of Adam.
        regularizer: weight of what draws each weight to one of its two levels.
        compensation: as of `gptq`.
    """

    needs_inputs: ClassVar[bool] = True
    iterations: float = 1000
    rate: float = 0.05
    regularizer: float = 1.0
    compensation: float = -1

    def __post_init__(self) -> None:
        if self.iterations != int(self.iterations) or self.iterations < 1:
            raise ValueError(f"iterations: {self.iterations:g} is not a whole number from 1")
        for name in ("rate", "regularizer"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name):g} is not above 0")
        if self.compensation != -1 and not 0 <= self.compensation <= 1:
            raise ValueError(f"compensation: {self.compensation:g} is not from 0 to 1, nor -1")

    def round(self, problem: Problem) -> QuantizedWeight:
        """Learn the rounding of a matrix."""
        grid = problem.grid
        wide = grid.bits >= _WIDE_BITS
        problem = problem.toward(float(not wide) if self.compensation == -1 else self.compensation)
        keeps = wide or problem.keeps_scale
        scale, zero_point = (problem.nearest.scale, problem.nearest.zero_point) if keeps else problem.scales()
        levels = learn(
            problem.matrix, scale, zero_point, grid, problem.hessian,
            int(self.iterations), self.rate, self.regularizer,
        )  # fmt: skip
        return problem.no_worse(QuantizedWeight(levels.to(grid.dtype), scale, zero_point, grid))

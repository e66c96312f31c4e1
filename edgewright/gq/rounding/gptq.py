"""GPTQ on the graph: column by column, the columns to come make up for the error of those that are done.

The error is that of the operator's output on its quantized inputs. Coordinate descent over the integers follows, and
below 8 bits the scales are searched first and take part in the descent (`edgewright.rounding.feedback` and `descent`).
Frantar et al. 2022, arXiv:2210.17323, sections 3 and 4; Behdin et al. 2023, QuantEase, arXiv:2309.01885.
"""

from dataclasses import dataclass
from typing import ClassVar

from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import QuantizedWeight
from edgewright.rounding.descent import descend
from edgewright.rounding.feedback import factor, feed_back

_WIDE_BITS = 8


@dataclass(frozen=True, slots=True)
class Method:
    """Options of the method.

    Attributes:
        damping: share of the mean of the Hessian's diagonal that is added to it.
        passes: of coordinate descent.
        compensation: 0 rounds the weights as they are, 1 the weights that best give the float program's outputs on
            the quantized inputs; -1 is 1 below 8 bits and else 0 (docs/gq.md has the figures behind it).
    """

    needs_inputs: ClassVar[bool] = True
    damping: float = 0.01
    passes: int = 2
    compensation: float = -1

    def __post_init__(self) -> None:
        if not 0 <= self.damping <= 10:
            raise ValueError(f"damping: {self.damping:g} is not from 0 to 10")
        if self.passes != int(self.passes) or not 0 <= self.passes <= 100:
            raise ValueError(f"passes: {self.passes:g} is not a whole number from 0 to 100")
        if self.compensation != -1 and not 0 <= self.compensation <= 1:
            raise ValueError(f"compensation: {self.compensation:g} is not from 0 to 1, nor -1")

    def round(self, problem: Problem) -> QuantizedWeight:
        """Feed the errors back."""
        grid, hessian = problem.grid, problem.hessian
        wide = grid.bits >= _WIDE_BITS
        problem = problem.toward(float(not wide) if self.compensation == -1 else self.compensation)
        factored = factor(hessian, self.damping, hessian.diagonal().argsort(stable=True))
        if factored is None:
            return problem.nearest
        # At 8 bits the whole range stays, as in rounding to nearest, so that encodings.json gives the program back.
        keeps = wide or problem.keeps_scale
        scale, zero_point = (problem.nearest.scale, problem.nearest.zero_point) if keeps else problem.scales()
        matrix = problem.matrix
        levels = feed_back(matrix, scale, zero_point, grid, factored)
        levels, scale = descend(matrix, levels, scale, zero_point, grid, hessian, int(self.passes), not keeps)
        rounded = QuantizedWeight(levels.to(grid.dtype), scale, zero_point, grid)
        return problem.no_worse(rounded)

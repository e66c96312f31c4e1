"""Rounding to nearest: 8 bits over the whole range, narrower ones over the share of it with the least squared error."""

from dataclasses import dataclass
from typing import ClassVar

from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import QuantizedWeight


@dataclass(frozen=True, slots=True)
class Method:
    """No options."""

    needs_inputs: ClassVar[bool] = False

    def round(self, problem: Problem) -> QuantizedWeight:
        """As the problem has it."""
        return problem.nearest

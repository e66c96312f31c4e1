"""Sequential MSE: the scale of each channel or group with the least output error, operator after operator.

Weights are rounded to nearest with the share of their range (1.0, 0.95 .. 0.5) whose output on the quantized inputs,
which the operators before have already made, is nearest to that of the float weights. It is what AIMET calls
sequential MSE, with the error taken exactly from the second moments of the inputs.
"""

from dataclasses import dataclass
from typing import ClassVar

from edgewright.gq.rounding._problem import Problem
from edgewright.rounding import QuantizedWeight, quantize


@dataclass(frozen=True, slots=True)
class Method:
    """No options."""

    needs_inputs: ClassVar[bool] = True

    def round(self, problem: Problem) -> QuantizedWeight:
        """Search the scales."""
        return problem.no_worse(quantize(problem.matrix, *problem.scales(), problem.grid))

"""Methods that round the weights that gq quantizes: one file a method, found by its name.

A method's module exposes `Method`, a frozen dataclass of its options (numbers, checked when it is made) with

- `needs_inputs`: whether it looks at what the weights multiply;
- `round(problem) -> QuantizedWeight`: integers and scales of one matrix.

Contract: `problem.errors` of what it gives is in no row above that of rounding to nearest.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from edgewright.gq import methods

if TYPE_CHECKING:
    from edgewright.gq.rounding._problem import Problem
    from edgewright.rounding import QuantizedWeight

PACKAGE = "edgewright.gq.rounding"


class RoundingMethod(Protocol):
    """What a method's module exposes as `Method`."""

    needs_inputs: ClassVar[bool]

    def round(self, problem: "Problem") -> "QuantizedWeight":
        """Integers and scales for a matrix."""


def load(name: str, options: Mapping[str, float], where: str) -> RoundingMethod:
    """The method `name` with `options`.

    Args:
        name: file name of the method, `gptq`.
        options: values of its options by name; what is left out has its default.
        where: key of the method in the configuration, the start of a message.

    Raises:
        ConfigError: there is no such method or option (the nearest is named), or a value is out of range.
    """
    method: Any = methods.load(PACKAGE, name, options, where)
    found: RoundingMethod = method
    return found

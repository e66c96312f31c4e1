"""The contract of weight quantization algorithms.

An algorithm is a file: a transform in `edgewright/aq/transforms/`, a rounder in `edgewright/aq/rounders/`.
The module exposes

- `Options`: a frozen model of its own options, whose fields are the keys below `options.<name>` of a recipe;
- `Algorithm`: a class that is made from `Options` and follows `Transform` or `Rounder`.

A recipe names any number of transforms and then at most one rounder (`rtn` where none is named).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from edgewright.aq.block import Block
from edgewright.aq.statistics import Statistic
from edgewright.rounding import QuantizedWeight


class AlgorithmOptions(BaseModel):
    """Base of an algorithm's `Options`: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A layer that something was not done to, and why."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What a transform did in a block: layers that it changed, those that it had to leave, and what else to know."""

    layers: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


class Transform(Protocol):
    """Rewrites float weights and leaves the function of the model as it is.

    Contract: the model's outputs stay equal to 1e-4 relative in float32 and 1e-9 in float64.

    Attributes:
        scope: `block` transforms get one block after the other as the model is streamed; `model` transforms
            (a rotation of the residual stream) get the whole model as one block before that.
        statistics: what they read of the input of layers; nothing else is collected for them.
    """

    scope: ClassVar[Literal["block", "model"]]
    statistics: ClassVar[frozenset[Statistic]]

    def __init__(self, options: Any) -> None: ...

    def apply(self, block: Block, layers: Sequence[str]) -> Applied:
        """Change weights in place, for the sake of `layers` of `block`; call `block.changed()` if there were any.

        Raises:
            InputError: naming the layer whose weights or inputs make it impossible.
        """
        ...


class Rounder(Protocol):
    """Chooses the integers and their scales for given weights and statistics.

    Contract: `objective` of its result is at most that of the result of `rtn`.

    Attributes:
        statistics: what it reads of the input of layers; a recipe's `clip` adds the Hessian.
        quantized_inputs: its layers see what the blocks before them give when quantized; so do, in a recipe that
            mixes them, those of the other rounders.
        targets: `block.targets` holds what the float model gives.
    """

    statistics: ClassVar[frozenset[Statistic]]
    quantized_inputs: ClassVar[bool]
    targets: ClassVar[bool]

    def __init__(self, options: Any) -> None: ...

    def round(self, block: Block, layers: Sequence[str]) -> Iterable[tuple[str, QuantizedWeight]]:
        """Yield name and integers of each of `layers` of `block`, in any order.

        What was yielded is installed in the block before the next step, so that statistics read after
        `block.changed()` see it.

        Raises:
            InputError: naming the layer whose weights or inputs make it impossible.
        """
        ...

    def objective(self, block: Block, weights: Mapping[str, QuantizedWeight]) -> float:
        """What the rounder minimizes, for these weights in the float block."""
        ...

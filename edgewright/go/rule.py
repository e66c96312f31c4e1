"""The contract of a rewrite rule: one rule a file, `go/rules/<family>/<rule>.py`, found by its name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, get_type_hints

import torch

from edgewright.errors import ConfigError
from edgewright.go.match import Match
from edgewright.go.target import Target

Constant = Annotated[torch.Tensor, "constant"]
"""Annotation of a pattern's parameter that must bind a parameter or constant of the program, or None.

The replacement gets its value: float64 for every floating type, as stored for integers.
"""


class RuleError(ConfigError):
    """A rule breaks its contract; the message carries the rule, the reason and a counterexample."""


class NotBuildable(RuleError):
    """A replacement does not work on the shapes and types of a match, so that the match is refused."""


class Class(StrEnum):
    """What kind of proof a rule owes.

    EXACT: bits equal for every input, NaN, infinities and signed zeros included. REAL_EXACT: equal over the reals.
    FOLDED: real-exact, with constants computed in float64 and cast once. DECOMPOSITION: within a stated bound.
    INTEGER_EXACT: a quantized graph whose integers are equal.
    """

    EXACT = "exact"
    REAL_EXACT = "real-exact"
    FOLDED = "folded"
    DECOMPOSITION = "decomposition"
    INTEGER_EXACT = "integer-exact"

    @property
    def bitwise(self) -> bool:
        """Whether results must be equal in every bit."""
        return self in (Class.EXACT, Class.INTEGER_EXACT)


SPECIALS = ("zero", "denormal", "half", "large", "infinity", "nan")
"""Kinds of special values that the harness plants into samples; see `edgewright.go.specials`."""


@dataclass(frozen=True, slots=True)
class Example:
    """A real spelling of a rule's pattern.

    Attributes:
        module: a torch module in evaluation mode whose export contains the pattern.
        inputs: tensors for its forward; the first dimension of each is the batch.
        dynamic: whether the batch dimension is also exported as dynamic.
    """

    module: torch.nn.Module
    inputs: tuple[torch.Tensor, ...]
    dynamic: bool = True


@dataclass(frozen=True, slots=True)
class Negative:
    """A module that a rule must leave alone.

    Attributes:
        module: a torch module in evaluation mode.
        inputs: tensors for its forward.
        refused: part of the reason that `when`, a constant or an engine guard gives; empty if nothing matches.
        harmless: the guard only saves cost or states the reason better than the engine would, so that the harness does
            not expect the rewrite to go through and fail with the guard removed.
    """

    module: torch.nn.Module
    inputs: tuple[torch.Tensor, ...]
    refused: str = ""
    harmless: bool = False


class Rule:
    """Base of all rules. A subclass states `kind`, `pattern`, `replacement` and `examples`; its docstring the equation.

    Attributes:
        kind: the class of the proof.
        shared: whether interior nodes of the pattern may have users outside it; they stay for those users.
        quiet: whether refusals are too common to be reported: most matches are other uses of the operator.
        after: names of rules that come first; the engine checks that the order has no cycle.
        ulps: bound of the float error in units of the last place of the largest reference value.
        in_float64: whether the claim is also checked in float64; off only where an operator does not take it.
        specials: kinds of special values for which the claim holds; narrower than all only with a reason in the
            docstring.
    """

    kind: ClassVar[Class]
    shared: ClassVar[bool] = False
    quiet: ClassVar[bool] = False
    after: ClassVar[tuple[str, ...]] = ()
    ulps: ClassVar[float] = 64.0
    in_float64: ClassVar[bool] = True
    specials: ClassVar[tuple[str, ...]] = SPECIALS

    @property
    def name(self) -> str:
        """The rule's name: its file name with dashes."""
        return type(self).__module__.rsplit(".", 1)[-1].replace("_", "-")

    @property
    def family(self) -> str:
        """The rule's family: the name of its folder."""
        return type(self).__module__.rsplit(".", 2)[-2]

    def pattern(self, *args: Any, **kwargs: Any) -> Any:
        """The replaced expression in `torch.ops.aten` calls; every parameter matches a node, a literal or a list."""
        raise NotImplementedError

    def patterns(self) -> Sequence[Callable[..., Any]]:
        """All spellings of the pattern, with one replacement."""
        return (self.pattern,)

    def replacement(self, *args: Any, **kwargs: Any) -> Any:
        """The new expression; its parameters are names that the pattern or `derive` binds.

        Literals and lists are Python values. Tensors have `shape` and `dtype`; those annotated `Constant` in the
        pattern are their values, and any tensor that is computed from them becomes a constant of the program.
        """
        raise NotImplementedError

    def derive(self, match: Match) -> Mapping[str, Any]:
        """Further values for the replacement, computed from the match."""
        return {}

    def when(self, match: Match) -> str | None:
        """The reason for refusing a match, or None to go on."""
        return None

    def targets(self, target: Target) -> str | None:
        """The reason why `target` gains from the rule, or None if it does not."""
        return "fewer operators"

    def examples(self) -> Sequence[Example]:
        """Real spellings on which the rule must fire."""
        raise NotImplementedError

    def negatives(self) -> Sequence[Negative]:
        """Modules on which it must not."""
        return ()

    def constants(self, pattern: Callable[..., Any]) -> frozenset[str]:
        """Names of the parameters of `pattern` that are annotated `Constant`."""
        hints = get_type_hints(pattern, include_extras=True)
        return frozenset(name for name, hint in hints.items() if "constant" in getattr(hint, "__metadata__", ()))

    def arguments(self, bindings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `bindings` that the replacement takes."""
        return {name: bindings[name] for name in inspect.signature(self.replacement).parameters}

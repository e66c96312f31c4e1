"""What graph optimization did and did not do, for `firings.json`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from edgewright import ir
from edgewright.go.witness import Comparison


@dataclass(frozen=True, slots=True)
class Firing:
    """One application of a rule or pass.

    Attributes:
        rule: its name.
        kind: its class, `real-exact`.
        node: name of the first operator that was replaced.
        scope: the smallest module scope that contains what was replaced.
        reason: why the target gains.
        witness: the comparison on samples, or None where it ran without.
        rolled_back: whether the witness was outside the class's bound, so that nothing was changed.
    """

    rule: str
    kind: str
    node: str
    scope: str
    reason: str
    witness: Comparison | None
    rolled_back: bool = False

    def row(self) -> dict[str, Any]:
        """The firing as a row of `firings.json`."""
        row = {"rule": self.rule, "class": self.kind, "node": self.node, "scope": self.scope, "reason": self.reason,
               "rolled_back": self.rolled_back, "witness": None}
        if self.witness is not None:
            row["witness"] = {"samples": self.witness.samples, "max_abs": self.witness.max_abs,
                              "bound": self.witness.bound}
            if self.rolled_back:
                row["counterexample"] = self.witness.counterexample
        return row


@dataclass(frozen=True, slots=True)
class Refusal:
    """A match that was left alone, with the guard that refused it.

    Attributes:
        rule: name of the rule.
        node: name of the operator that its pattern ends in.
        scope: module scope of that operator.
        guard: the reason.
    """

    rule: str
    node: str
    scope: str
    guard: str

    def row(self) -> dict[str, str]:
        """The refusal as a row of `firings.json`."""
        return {"rule": self.rule, "node": self.node, "scope": self.scope, "guard": self.guard}


def scope_of(nodes: Iterable[Node]) -> str:
    """Path of the smallest module scope that contains all `nodes`."""
    return str(list(ir.smallest_scope(nodes).values())[-1][0])

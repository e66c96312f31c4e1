"""What graph optimization asks of a target."""

from collections.abc import Mapping
from typing import Protocol


class Target(Protocol):
    """The facts of a capability map that decide which rules fire."""

    @property
    def name(self) -> str:
        """Name of the target, `xnnpack`."""

    @property
    def prefers(self) -> Mapping[str, str]:
        """The form that the target runs best, by construct: `{"global_pool": "mean"}`; absent: leave what is there."""

    def supports(self, op: str) -> bool:
        """Whether the accelerator runs the ATen operator `op` (base name, `rms_norm`) as a whole."""


def prefers(target: Target, construct: str, form: str) -> str | None:
    """The reason for rewriting `construct` to `form`, or None where the target does not ask for it."""
    if target.prefers.get(construct) == form:
        return f"{target.name} prefers {form} for {construct}"
    return None


def lacks(target: Target, op: str) -> str | None:
    """The reason for decomposing `op`, or None where the target has a kernel for it."""
    return None if target.supports(op) else f"{target.name} has no kernel for {op}"


def has_kernel(target: Target, op: str) -> str | None:
    """The reason for recognizing `op`, or None where the target has no kernel for it."""
    return f"{target.name} has a kernel for {op}" if target.supports(op) else None

"""The adapter of a target's toolchain."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from numpy.typing import NDArray

from edgewright import registry
from edgewright.errors import ConfigError, nearest
from edgewright.targets.schema import Target

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from edgewright.targets.manifest import Manifest

ADAPTERS = "edgewright.targets.adapters"


class Adapter(Protocol):
    """What a module of `adapters/` offers.

    Attributes:
        RUNTIME: what runs the artifact in an evaluation.
        SOURCE: what gives the latency, its name in a report and the package whose version `manifest.json` states.
        OPTIONS: names of the `options` that a target may give to the toolchain.
    """

    RUNTIME: str
    SOURCE: tuple[str, str]
    OPTIONS: tuple[str, ...]

    def compile(
        self, program: "ExportedProgram", target: Target, folder: Path, *, batch_inputs: Sequence[NDArray[Any]]
    ) -> "Manifest":
        """Write the artifact of a Program, with `manifest.json` and `example.py`, for inputs of these shapes."""
        ...

    def session(
        self, folder: Path, target: Target, threads: int
    ) -> Callable[[tuple[NDArray[Any], ...]], NDArray[Any]]:
        """The artifact ready to run on one batch of the compiled shape."""
        ...

    def preload(self) -> None:
        """Import the runtime, so that what a session adds is the artifact's own."""
        ...

    def operator_times(
        self, folder: Path, inputs: tuple[NDArray[Any], ...], *, threads: int, runs: int
    ) -> list[dict[str, str | float]]:
        """Time of each kernel: scope, operator, time_ms. Only where the artifact runs (`Target.estimate` false)."""
        ...

    def estimate(self, folder: Path) -> dict[str, Any]:
        """The compiler's cycles, sram_bytes, flash_bytes, latency_ms, clock_hz, operators (`Target.estimate` true)."""
        ...


def adapter(target: Target) -> Adapter:
    """The adapter of `target`, imported.

    Raises:
        ConfigError: the target names a toolchain without an adapter, or an option that the toolchain does not have.
    """
    found = cast(Adapter, registry.load(ADAPTERS, target.toolchain.replace("_", "-")))
    for option in target.options:
        if option not in found.OPTIONS:
            known = f"it has: {', '.join(found.OPTIONS)}" if found.OPTIONS else "it has none"
            raise ConfigError(
                f"{target.name}.yaml: options: {target.toolchain} has no option '{option}'"
                f"{nearest(option, found.OPTIONS)}; {known}"
            )
    return found

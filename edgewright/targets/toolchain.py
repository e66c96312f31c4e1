"""The adapter of a target's toolchain."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from numpy.typing import NDArray

from edgewright import registry
from edgewright.targets.schema import Target

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from edgewright.targets.manifest import Manifest

ADAPTERS = "edgewright.targets.adapters"


class Adapter(Protocol):
    """What a module of `adapters/` offers.

    Attributes:
        SUFFIX: of the artifact's file name.
        RUNTIME: what runs the artifact in an evaluation.
        ESTIMATE: whether cost figures come from the compiler instead of a measurement.
    """

    SUFFIX: str
    RUNTIME: str
    ESTIMATE: bool

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
        """Time of each kernel: scope, operator, time_ms. Only where the artifact runs (`ESTIMATE` false)."""
        ...

    def estimate(self, folder: Path) -> dict[str, Any]:
        """The compiler's cycles, sram_bytes, flash_bytes, latency_ms, clock_hz, operators (`ESTIMATE` true)."""
        ...


def adapter(target: Target) -> Adapter:
    """The adapter of `target`, imported.

    Raises:
        ConfigError: the target names a toolchain without an adapter.
    """
    return cast(Adapter, registry.load(ADAPTERS, target.toolchain.replace("_", "-")))

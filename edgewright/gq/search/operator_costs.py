"""What each module costs at each precision: every uniform build is compiled, and its kernels are timed in place.

In place, because a kernel alone would be charged for the border of the device that it never sees in the network, and
would miss what the toolchain fuses into it (Cai et al. 2018, ProxylessNAS, arXiv:1812.00332, section 3.3, sums
measured latencies of operators likewise).
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch.export import ExportedProgram

from edgewright import targets
from edgewright.config.precision import FLOAT
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Samples
from edgewright.gq.quantizer import quantize
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.targets.cost_table import CostTable
from edgewright.targets.manifest import load

_CALIBRATED = 8
"""Rows that a build is calibrated on: its speed does not depend on its scales."""

ROUNDS = 5


def measure(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    precisions: Sequence[str],
    sample: Samples,
    inputs: tuple[NDArray[Any], ...],
    *,
    host: Mapping[str, Any] | None,
    threads: int = 1,
    runs: int = 20,
    progress: Progress = silent,
    where: str = "gq",
) -> CostTable:
    """Build `program` at each precision and cost its modules.

    On an estimated target the costs are the compiler's cycles and equal everywhere; elsewhere they are milliseconds
    on this machine, the median of rounds in which the builds take turns.

    Args:
        program: a Program.
        target: the capability map.
        scheme: granularity and symmetry of every precision.
        precisions: in short, `float` among them where the target runs it.
        sample: calibration data.
        inputs: one batch, of the shape that is compiled.
        host: the machine that measures.
        threads: threads of the runtime.
        runs: timed runs of a build in each round.
        progress: called after each build and round.
        where: key of the scheme, the start of a message.

    Raises:
        ConfigError: the target cannot run a precision.
    """
    adapter = targets.adapter(target)
    rounds = 1 if target.estimate else ROUNDS
    total = len(precisions) * (1 + rounds)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in precisions}
    with tempfile.TemporaryDirectory() as name:
        folders = {precision: Path(name) / precision for precision in precisions}
        for index, precision in enumerate(precisions):
            built = _built(program, target, scheme, precision, sample, where)
            adapter.compile(built, target, folders[precision], batch_inputs=inputs)
            progress(index + 1, total, f"build {precision}")
        source = _source(adapter, folders[precisions[0]])
        for turn in range(rounds):
            for index, precision in enumerate(precisions):
                folder = folders[precision]
                if target.estimate:
                    rows, unit = adapter.estimate(folder)["operators"], "cycles"
                else:
                    rows, unit = adapter.operator_times(folder, inputs, threads=threads, runs=runs), "time_ms"
                found[precision].append(_by_scope(rows, unit))
                progress(len(precisions) * (1 + turn) + index + 1, total, f"time {precision}")
    costs = {precision: _medians(turns) for precision, turns in found.items()}
    return CostTable(target.name, "cycles" if target.estimate else "ms", source, None if target.estimate else host,
                     costs)


def _built(
    program: ExportedProgram, target: Target, scheme: GqScheme, precision: str, sample: Samples, where: str
) -> ExportedProgram:
    layer = scheme.resolved(precision)
    if precision == FLOAT or layer is None:
        return program
    plain = layer.weights.model_copy(update={"rounding": None}) if layer.weights is not None else None
    uniform = scheme.model_copy(update={
        "weights": plain, "activations": layer.activations, "layers": {}, "search": None, "encodings": None,
        "corrections": (),
    })
    return quantize(program, target, uniform, sample.head(_CALIBRATED), where=f"{where}: {precision}").program


def _source(adapter: Any, folder: Path) -> str:
    name, package = adapter.SOURCE
    return f"{name} {load(folder)['versions'][package]}"


def _by_scope(rows: Sequence[Mapping[str, Any]], unit: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        scope = str(row["scope"])
        found[scope] = found.get(scope, 0.0) + float(row[unit])
    return found


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {scope: statistics.median(turn[scope] for turn in turns) for scope in turns[0]}

"""What each module costs at each precision: every uniform build is compiled, and its kernels are timed in place.

A build for each pair of precisions, in which they alternate, tells what an element costs that is converted.

In place, because a kernel alone would be charged for the border of the device that it never sees in the network, and
would miss what the toolchain fuses into it (Cai et al. 2018, ProxylessNAS, arXiv:1812.00332, section 3.3, sums
measured latencies of operators likewise).
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch.export import ExportedProgram

from edgewright import targets
from edgewright.config.precision import FLOAT
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Samples
from edgewright.gq.quantizer import quantize
from edgewright.gq.search.borders import borders, elements
from edgewright.gq.search.candidates import Assignment, Candidates, prepare
from edgewright.gq.search.costs import Costs
from edgewright.gq.search.units import layers
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.targets.cost_table import CostTable, pair
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
    sample = sample.head(_CALIBRATED)
    plain = scheme.model_copy(update={"layers": {}, "search": None, "encodings": None, "corrections": ()})
    candidates = prepare(program, target, plain, precisions, sample, where)
    mixes = {
        pair(precisions[first], precisions[second]): _alternating(candidates, first, second)
        for first, second in combinations(range(len(precisions)), 2)
    }
    schemes = {name: _uniform(plain, name) for name in precisions}
    schemes |= {name: _mixed(plain, candidates, assignment) for name, assignment in mixes.items()}
    total = len(schemes) * (1 + rounds)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in schemes}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in schemes}
        for index, (name, wanted) in enumerate(schemes.items()):
            built = quantize(program, target, wanted, sample, where=f"{where}: {name}").program
            adapter.compile(built, target, folders[name], batch_inputs=inputs)
            progress(index + 1, total, f"build {name}")
        source = _source(adapter, folders[precisions[0]])
        for turn in range(rounds):
            for index, (name, folder) in enumerate(folders.items()):
                if target.estimate:
                    rows, unit = adapter.estimate(folder)["operators"], "cycles"
                else:
                    rows, unit = adapter.operator_times(folder, inputs, threads=threads, runs=runs), "time_ms"
                found[name].append(_by_scope(rows, unit))
                progress(len(schemes) * (1 + turn) + index + 1, total, f"time {name}")
    costs = {name: _medians(turns) for name, turns in found.items()}
    table = CostTable(target.name, "cycles" if target.estimate else "ms", source, None if target.estimate else host,
                      {name: costs[name] for name in precisions})
    whole = {name: sum(costs[name].values()) for name in mixes}
    return replace(table, conversions=_conversions(candidates, table, mixes, whole))


def _alternating(candidates: Candidates, first: int, second: int) -> Assignment:
    """Every other unit at the second candidate, where it has both: as many conversions as there can be."""
    turns = cycle((first, second))
    return tuple(next(turns) if {first, second} <= set(legal) else legal[0] for legal in candidates.legal)


def _conversions(
    candidates: Candidates, table: CostTable, mixes: Mapping[str, Assignment], whole: Mapping[str, float]
) -> dict[str, float]:
    """What an alternating build takes beyond its modules, for each element that it converts."""
    costs, between, found = Costs(candidates, "", table), borders(candidates), {}
    for name, assignment in mixes.items():
        count = elements(between, assignment, frozenset(assignment))
        found[name] = max(0.0, whole[name] - costs.of(assignment)) / count if count else 0.0
    return found


def _uniform(plain: GqScheme, precision: str) -> GqScheme:
    layer = plain.resolved(precision)
    if precision == FLOAT or layer is None:
        return GqScheme()
    weights = layer.weights.model_copy(update={"rounding": None}) if layer.weights is not None else None
    return plain.model_copy(update={"weights": weights, "activations": layer.activations})


def _mixed(plain: GqScheme, candidates: Candidates, assignment: Assignment) -> GqScheme:
    assigned = layers(candidates.layers(assignment).items())
    return GqScheme.model_validate({**plain.model_dump(exclude={"search"}), "layers": assigned})


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

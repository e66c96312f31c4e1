"""What quantizing each operator does to the output, and what leaving it float would save.

*alone*: one unit is quantized, all else is float. *all but one*: all is quantized, one unit is float. Both are runs of
the simulated Program over rows that calibration did not see. An evaluation is kept under a digest of the roundings that
it made, so that a change of one layer runs again what that layer is part of and nothing else.

Sources: Wu et al. 2020, arXiv:2004.09602, section 4 (one layer at a time: "partial quantization"); AIMET's per-layer
analysis by enabling and by disabling quantizers (arXiv:2201.08442, section 5).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from torch.export import ExportedProgram
from torch.fx import Node

from edgewright.config.precision import FLOAT
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Samples
from edgewright.errors import InputError
from edgewright.files import read_json, write_json
from edgewright.gq.annotate import Quantized
from edgewright.gq.groups import QuantizedTensor, grid_of
from edgewright.gq.search.candidates import OWN, Candidates, prepare
from edgewright.gq.search.simulation import Precision, changes, output_of
from edgewright.gq.search.trials import Judge, Score, Scorer, json_score
from edgewright.gq.search.units import Unit, units
from edgewright.progress import Progress, silent
from edgewright.targets import Target
from edgewright.threads import one_thread

Mode = Literal["alone", "all-but-one", "both"]

_Chosen = tuple[tuple[Precision, Quantized], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A unit.

    Attributes:
        unit: operators that move together.
        alone: only it quantized; None where that was not asked for.
        all_but_one: only it float; None where that was not asked for.
    """

    unit: Unit
    alone: Score | None
    all_but_one: Score | None

    def yaml_lines(self) -> list[str]:
        """Lines for `layers` of the scheme that leave it float."""
        return [yaml.safe_dump({name: FLOAT}, width=10_000).rstrip("\n") for name in self.unit.names]

    @property
    def harm(self) -> float:
        """What rows are sorted by, the greatest first: the error alone, or how little is left without it."""
        if self.alone is not None:
            return self.alone.mse
        return 0.0 if self.all_but_one is None else -self.all_but_one.mse


@dataclass(frozen=True, slots=True)
class LayerSensitivity:
    """The result.

    Attributes:
        precision: in short, or `scheme` for what the scheme says.
        whole: everything quantized.
        rows: the units, the most sensitive first: the least ratio alone, or where that was not asked for the greatest
            without it.
        evaluated: runs over the sample that were made; the others were known.
    """

    precision: str
    whole: Score
    rows: tuple[Row, ...]
    evaluated: int

    @property
    def sum_of_parts(self) -> float | None:
        """Sum of the errors alone, a mean square of the output; the whole has more or less as they add or cancel."""
        alone = [row.alone.mse for row in self.rows if row.alone is not None]
        return sum(alone) if alone else None

    def json_value(self) -> Mapping[str, Any]:
        """With sorted rows: equal inputs give equal bytes."""
        return {
            "schema": 1, "precision": self.precision, "whole": json_score(self.whole),
            "sum_of_parts": self.sum_of_parts,
            "units": [
                {"unit": row.unit.name, "names": list(row.unit.names),
                 "alone": None if row.alone is None else json_score(row.alone),
                 "all_but_one": None if row.all_but_one is None else json_score(row.all_but_one)}
                for row in self.rows
            ],
        }  # fmt: skip


def measure(
    program: ExportedProgram,
    target: Target,
    scheme: GqScheme,
    sample: Samples,
    judged: Samples,
    *,
    precision: str | None = None,
    mode: Mode = "both",
    judge: Judge | None = None,
    cache: Path | None = None,
    source: str = "",
    progress: Progress = silent,
    where: str = "gq",
) -> LayerSensitivity:
    """Measure the sensitivity of each unit of `program`.

    Args:
        program: a Program.
        target: the capability map.
        scheme: what it is quantized with, `layers` included.
        sample: calibration data.
        judged: the rows that are run.
        precision: another one for all that `layers` does not decide, in short.
        mode: which of the two.
        judge: the task's metric.
        cache: folder of evaluations; what is in it is not run again.
        source: digest of program and rows, part of the key of an evaluation.
        progress: called after each evaluation.
        where: key of the scheme, the start of a message.

    Raises:
        ConfigError: a pattern of `layers` that fits nothing.
        InputError: nothing of the program can be quantized, or the sample does not fit.
    """
    plain = scheme.model_copy(update={"search": None, "encodings": None})
    name = precision or OWN
    with one_thread():
        candidates = prepare(program, target, plain, (name,), sample, where, progress)
        parts = _parts(candidates)
        if not parts:
            raise InputError(f"{where}: no operator of the program runs on integers on {target.name}")
        scorer = Scorer(candidates.module, judged, judge)
        kinds = ("alone", "all-but-one") if mode == "both" else (mode,)
        runs = _Runs(candidates, scorer, cache, source, progress, 1 + len(kinds) * len(parts))
        everything = tuple(pair for _, chosen in parts for pair in chosen)
        whole = runs.score("everything", everything)
        found: dict[str, list[Score]] = {kind: [] for kind in kinds}
        for unit, chosen in parts:
            rest = tuple(pair for pair in everything if pair[1].node not in unit.operators)
            for kind, scores in found.items():
                scores.append(runs.score(unit.name, chosen if kind == "alone" else rest))
    nothing: list[Score | None] = [None] * len(parts)
    rows = [
        Row(unit, alone, rest)
        for (unit, _), alone, rest in zip(
            parts, found.get("alone", nothing), found.get("all-but-one", nothing), strict=True
        )
    ]
    rows.sort(key=lambda row: -row.harm)
    return LayerSensitivity(name, whole, tuple(rows), runs.evaluated)


def _parts(candidates: Candidates) -> list[tuple[Unit, _Chosen]]:
    """Each unit with what it quantizes, those that `layers` decides on included, in the order of the program."""
    (precision,), fixed = candidates.precisions, candidates.fixed
    own = units([fixed.plans], candidates.names)
    found = []
    for made, members in ((precision, candidates.units), (fixed, own)):
        for unit in members:
            chosen = tuple((made, made.plans[node]) for node in unit.operators if node in made.plans)
            if chosen:
                found.append((unit, chosen))
    order = {node: index for index, node in enumerate(candidates.names)}
    return sorted(found, key=lambda item: order[item[0].operators[0]])


class _Runs:
    """Runs that are remembered in files, one for each, under a digest of what they compute."""

    def __init__(
        self, candidates: Candidates, scorer: Scorer, cache: Path | None, source: str, progress: Progress, total: int
    ) -> None:
        self._candidates, self._scorer, self._cache, self._source = candidates, scorer, cache, source
        self._progress, self._total, self._done = progress, total, 0
        self._digests: dict[tuple[str, Node], str] = {}
        self.evaluated = 0

    def score(self, name: str, chosen: Iterable[tuple[Precision, Quantized]]) -> Score:
        """The score of the program with the operators `chosen` quantized; `name` is shown as progress."""
        chosen = tuple(chosen)
        file = self._file(chosen)
        if file is not None and file.is_file():
            found = Score(**read_json(file))
        else:
            changed = changes(chosen)
            found = self._scorer.score(lambda row: output_of(self._candidates.module, changed, row))
            self.evaluated += 1
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                partial = file.with_suffix(".partial")
                write_json(partial, asdict(found))
                partial.replace(file)
        self._done += 1
        self._progress(self._done, self._total, name)
        return found

    def _file(self, chosen: Sequence[tuple[Precision, Quantized]]) -> Path | None:
        if self._cache is None:
            return None
        parts = sorted(self._digest(*pair) for pair in chosen)
        return self._cache / f"{hashlib.sha256(' '.join([self._source, *parts]).encode()).hexdigest()}.json"

    def _digest(self, precision: Precision, plan: Quantized) -> str:
        """Of an operator's name and all that rounds what it reads, multiplies by, and gives."""
        key = precision.name, plan.node
        if key not in self._digests:
            names, digest = self._candidates.names, hashlib.sha256()
            digest.update(f"{names[plan.node]} {plan.kernel.model_dump_json()}".encode())
            for tensors in (precision.weights, precision.biases):
                if plan.node in tensors:
                    digest.update(np.ascontiguousarray(tensors[plan.node].detach().numpy()).tobytes())
            if plan.is_static:
                for tensor in (*(source for _, source in plan.edges), plan.tail):
                    digest.update(f"{_name(tensor, names)} {_parameters(precision, plan, tensor)}".encode())
            self._digests[key] = digest.hexdigest()
        return self._digests[key]


def _name(node: Node, names: Mapping[Node, str]) -> str:
    return names.get(node, node.name)


def _parameters(precision: Precision, plan: Quantized, tensor: Node) -> str:
    grid = grid_of(plan)
    found = precision.parameters[QuantizedTensor(tensor, grid)]
    return f"{grid} {float(found.scale).hex()} {found.zero_point}"

"""Evaluations of mixed programs: bounded in number, remembered, and kept on disk for a run that goes on."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule

from edgewright.datasets import Samples
from edgewright.files import read_json, write_json
from edgewright.gq.collect import Row, rows
from edgewright.gq.search.candidates import Assignment, Candidates
from edgewright.gq.search.simulation import NOTHING, output_of
from edgewright.parallel import ordered_map
from edgewright.progress import Progress, silent

BATCH = 16
"""Samples that run at once where the program's batch is dynamic."""

_FILE = "evaluations.json"

Judge = Callable[[Sequence[NDArray[Any]], Sequence[NDArray[Any]]], float]
"""From logits of the search sample and those of the float program, batch by batch, to points of the metric lost."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good a mixed program is on the search sample.

    Attributes:
        mse: mean squared difference of an output element to the float program's.
        snr_db: 10 log10 of the mean squared output over `mse`, in dB; None where nothing differs.
        metric_drop: points of the task's metric lost against float; None where the task was not given.
    """

    mse: float
    snr_db: float | None
    metric_drop: float | None


class Scorer:
    """Compares programs with the float one on the search sample."""

    def __init__(self, module: GraphModule, sample: Samples, judge: Judge | None) -> None:
        """Run the float program once.

        Args:
            module: the float Program, unlifted.
            sample: the search sample.
            judge: the task's metric.
        """
        self.batches: Sequence[Row] = list(rows(module, sample, BATCH))
        self._judge = judge
        self._float = self._outputs(lambda row: output_of(module, NOTHING, row))
        self._power = _mean(output.to(torch.float64).square() for output in self._float)

    def score(self, run: Callable[[Row], torch.Tensor]) -> Score:
        """The score of a program that gives its first output for a batch."""
        outputs = self._outputs(run)
        pairs = zip(outputs, self._float, strict=True)
        mse = _mean((output.to(torch.float64) - reference.to(torch.float64)).square() for output, reference in pairs)
        snr = 10 * math.log10(self._power / mse) if mse and self._power else None
        drop = None
        if self._judge is not None:
            drop = self._judge([output.numpy() for output in outputs], [output.numpy() for output in self._float])
        return Score(mse, snr, drop)

    def _outputs(self, run: Callable[[Row], torch.Tensor]) -> list[torch.Tensor]:
        return list(ordered_map(run, self.batches))


class Trials:
    """Runs mixed programs over the search sample.

    Attributes:
        known: every assignment that was evaluated, with its score, in the order of evaluation.
    """

    def __init__(
        self, candidates: Candidates, scorer: Scorer, limit: int, resume: Path | None = None,
        progress: Progress = silent,
    ) -> None:  # fmt: skip
        """Take over what `resume` knows.

        Args:
            candidates: what is mixed.
            scorer: compares with the float program.
            limit: evaluations at most.
            resume: folder whose evaluations are taken over, and where new ones are added as they are made.
            progress: called after each evaluation.
        """
        self._candidates, self._scorer, self._limit, self._progress = candidates, scorer, limit, progress
        self.known: dict[Assignment, Score] = {}
        self._file = None if resume is None else resume / _FILE
        self._stored = {} if self._file is None or not self._file.is_file() else read_json(self._file)

    @property
    def left(self) -> int:
        """Evaluations that may still be made."""
        return self._limit - len(self.known)

    def score(self, assignment: Assignment) -> Score:
        """The score of an assignment; one that is known is not evaluated again.

        Raises:
            RuntimeError: there are no evaluations left.
        """
        if assignment not in self.known:
            if self.left <= 0:
                raise RuntimeError("no evaluations left; ask `left` before")
            key = ",".join(map(str, assignment))
            if key not in self._stored:
                self._stored[key] = asdict(self._evaluated(assignment))
                self._store()
            self.known[assignment] = Score(**self._stored[key])
            self._progress(len(self.known), self._limit, "evaluations")
        return self.known[assignment]

    def _evaluated(self, assignment: Assignment) -> Score:
        found = self._candidates.changes(assignment)
        return self._scorer.score(lambda row: output_of(self._candidates.module, found, row))

    def _store(self) -> None:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            write_json(partial, self._stored)
            partial.replace(self._file)


def _mean(values: Iterable[torch.Tensor]) -> float:
    total, count = [], 0
    for value in values:
        total.append(float(value.sum()))
        count += value.numel()
    return math.fsum(total) / max(count, 1)


def json_score(score: Score) -> Mapping[str, float | None]:
    """The score as it stands in assignment.json."""
    return {key: None if value is None or not np.isfinite(value) else value for key, value in asdict(score).items()}

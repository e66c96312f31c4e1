"""What the workers of mixed precision share: the score that a search sees, and the points that it visits."""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.gq.evaluation import evaluate

Run = Callable[[np.ndarray], np.ndarray]
JUDGED = 128
"""Calibration images, the last ones, that a search judges on; it calibrates on the others."""


def snr(output: np.ndarray, reference: np.ndarray) -> float:
    """Signal-to-noise ratio in dB; 200 where nothing differs."""
    error = float(np.square(output - reference, dtype=np.float64).sum())
    return 10 * float(np.log10(np.square(reference, dtype=np.float64).sum() / error)) if error else 200.0


@dataclass
class Visited:
    """Counts evaluations and keeps what each whole mixed network costs and gives on the test images."""

    job: dict
    evaluations: int = 0
    points: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs, self.labels = np.load(self.job["test"]), np.load(self.job["labels"])
        self.reference = np.load(self.job["reference"])
        self.spent = 0.0

    def add(self, run: Run, weight_bytes: float) -> None:
        """Score one network; the time of that is not the search's."""
        start = time.perf_counter()
        output = np.concatenate([run(self.inputs[at : at + 250]) for at in range(0, len(self.inputs), 250)])
        found = evaluate(output, self.reference, self.labels)
        self.points.append({"bytes": weight_bytes, "mse": found.mse, "top1": found.top1, "snr_db": found.snr_db})
        self.spent += time.perf_counter() - start


def main(search: Callable[[dict, Visited], None]) -> None:
    """Run the job of `sys.argv[1]` and write points.json beside it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    visited = Visited(job)
    start = time.perf_counter()
    search(job, visited)
    seconds = time.perf_counter() - start - visited.spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {"evaluations": visited.evaluations, "seconds": seconds, "peak_bytes": peak, "points": visited.points}
    (Path(job["out"]) / "points.json").write_text(json.dumps(found))

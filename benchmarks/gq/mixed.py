"""Mixed precision against other toolchains: `python -m benchmarks.gq.mixed [--model resnet20] [--again]`.

Each search calibrates on 372 images and judges by the signal-to-noise ratio of the logits of 128 others; each network
that it offers is scored on the 2,500 test images. A point of a peer is dominated where one of our front has no more
bytes of weights and no more error. Results are kept. Exits with 1 where a peer's point is not dominated, or where we
needed more than half of its evaluations.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gq import models, ours
from benchmarks.gq.environments import python
from benchmarks.gq.workers.points import JUDGED
from tests.support import ROOT

_EVALUATIONS = 20


@dataclass(frozen=True, eq=False)
class Search:
    """One search: its name, worker and setting, and the peer's class that ours stands against."""

    name: str
    worker: str
    kind: str
    setting: Mapping[str, Any]


def _ours(name: str, method: str, candidates: list[str], kind: str) -> Search:
    search = {"method": method, "candidates": candidates, "accept": {"cost": 0.75}, "evaluations": _EVALUATIONS}
    return Search(name, "ours_mixed", kind, {"target": "ethos-u85-256", "search": search})


SEARCHES = (
    Search("AIMET AMP, binary search", "aimet_mixed", "w4a8 and w8a8",
           # Float is given 100 dB: the search goes down to 15 dB.
           {"method": "amp", "search": "Binary", "drop": 85.0}),
    Search("AIMET AMP, brute force", "aimet_mixed", "w4a8 and w8a8",
           {"method": "amp", "search": "BruteForce", "drop": None}),
    _ours("ours, AMP", "amp", ["w4a8", "w8a8"], "w4a8 and w8a8"),
    Search("AIMET LiteMP", "aimet_mixed", "w4a8 and w8a16", {"method": "lite"}),
    _ours("ours, LiteMP", "litemp", ["w4a8", "w8a16"], "w4a8 and w8a16"),
    _ours("ours, AMP", "amp", ["w4a8", "w8a16"], "w4a8 and w8a16"),
    Search("NNCF accuracy control", "nncf_mixed", "w8a8 and float", {"drops": [0.05, 0.02, 0.01]}),
    _ours("ours, AMP", "amp", ["w8a8", "float"], "w8a8 and float"),
)


def main() -> int:
    """Run what is not known, print the fronts and what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=models.CLASSIFIERS, default=["resnet20"])
    parser.add_argument("--only", default="", metavar="TEXT", help="searches whose name holds the text")
    parser.add_argument("--again", action="store_true", help="measure anew what is known")
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    parser.add_argument("--table", type=Path, help="write the tables as markdown into this file")
    options = parser.parse_args()
    lines, lost = [_HEAD], []
    for model in options.model:
        known = {}
        for search in SEARCHES:
            if options.only not in search.name:
                continue
            known[search] = run(search, model, options.home.resolve(), options.again)
            print(f"{model} {search.kind} {search.name}: {_line(known[search])}", flush=True)
        lines += table(model, known)
        lost += [f"{model}, {line}" for line in judge(known)]
    print("\n".join(lines))
    if options.table is not None:
        options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lost:
        print(f"LOST {line}")
    return 1 if lost else 0


def run(search: Search, model: str, home: Path, again: bool) -> dict[str, Any]:
    """The points of a search, in a process of its own."""
    folder = home / "gq" / f"{model}-{search.kind}-{search.name}".replace(" ", "-").replace(",", "")
    path = folder / "points.json"
    if again or not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        job = {"model": model, "setting": search.setting, "out": str(folder),
               **{name: str(item) for name, item in _inputs(model, home / "gq").items()}}
        (folder / "job.json").write_text(json.dumps(job))
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
        interpreter = python(search.worker.removesuffix("_mixed"), home)
        command = [str(interpreter), "-m", f"benchmarks.gq.workers.{search.worker}", str(folder / "job.json")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return {"error": (done.stderr.strip().splitlines() or ["?"])[-1]}
    found: dict[str, Any] = json.loads(path.read_text())
    if "float" not in search.kind:
        # A search may look at the float network first, which is no mix of its candidates.
        most = 4 * sum(item.numel() for item in models.exported(model).state_dict.values() if item.dim() > 1)
        found["points"] = [item for item in found["points"] if item["bytes"] < most]
    return found


def _inputs(model: str, folder: Path) -> dict[str, Path]:
    paths = models.write(model, folder)
    made = {name: folder / f"{model}-{name}.npy" for name in ("labels", "reference", "judged_reference")}
    if not all(path.is_file() for path in made.values()):
        program = models.exported(model)
        np.save(made["labels"], models.data(model, "test").labels)
        np.save(made["reference"], ours.output(model, program, models.data(model, "test").inputs))
        np.save(made["judged_reference"], ours.output(model, program, models.data(model, "calib").inputs[-JUDGED:]))
    return {**paths, **made}


_HEAD = """# Mixed precision against other toolchains

Made by `python -m benchmarks.gq.mixed --table docs/mixed-benchmark.md`; do not edit it. Every search calibrates on \
372 images and judges on 128 others by the signal-to-noise ratio of the logits; what it offers is scored on 2,500 \
test images. Bytes are those of the weights without scales. An evaluation is one run of a whole network over the 128 \
images."""


def _line(found: Mapping[str, Any]) -> str:
    if "error" in found:
        return f"FAILED {found['error']}"
    return f"{len(found['points'])} points, {found['evaluations']} evaluations, {found['seconds']:.1f} s"


def front(points: list[dict[str, float]]) -> list[dict[str, float]]:
    """The points that no other one is better than in bytes and error, the smallest first."""
    kept: list[dict[str, float]] = []
    for point in sorted(points, key=lambda item: (item["bytes"], item["mse"])):
        if not kept or point["mse"] < kept[-1]["mse"]:
            kept.append(point)
    return kept


def table(model: str, known: Mapping[Search, Mapping[str, Any]]) -> list[str]:
    """A table for each pair of candidates."""
    lines = []
    for kind in dict.fromkeys(search.kind for search in known):
        head = "| | evaluations | seconds | peak MB | front: kB of weights: MSE (top-1) |"
        lines += ["", f"## {model}, {kind}", "", head, "|---" * 5 + "|"]
        for search, found in known.items():
            if search.kind != kind:
                continue
            name = f"**{search.name}**" if search.worker == "ours_mixed" else search.name
            if "error" in found:
                lines.append(f"| {name} | failed: {found['error'][:120].replace('|', '/')} | | | |")
                continue
            points = "; ".join(f"{item['bytes'] / 1e3:.0f}: {item['mse']:.2f} ({item['top1']:.2f})"
                               for item in front(found["points"]))
            lines.append(f"| {name} | {found['evaluations']} | {found['seconds']:.1f} |"
                         f" {found['peak_bytes'] / 1e6:.0f} | {points} |")
    return lines


def judge(known: Mapping[Search, Mapping[str, Any]]) -> list[str]:
    """What does not hold of: our front dominates each peer's, with half its evaluations."""
    lost = []
    done = {search: found for search, found in known.items() if "error" not in found}
    for mine, found in done.items():
        if mine.worker != "ours_mixed":
            continue
        for peer, other in done.items():
            if peer.worker == "ours_mixed" or peer.kind != mine.kind:
                continue
            theirs = front(other["points"])
            free = [item for item in theirs if not any(
                point["bytes"] <= item["bytes"] and point["mse"] <= item["mse"] for point in found["points"])]
            if free:
                places = ", ".join(f"{item['bytes'] / 1e3:.0f} kB" for item in free)
                lost.append(f"{mine.name} ({mine.kind}): {len(free)} of {len(theirs)} points of {peer.name} are not "
                            f"dominated ({places})")
            if 2 * found["evaluations"] > other["evaluations"]:
                lost.append(f"{mine.name} ({mine.kind}): {found['evaluations']} evaluations, {peer.name} has "
                            f"{other['evaluations']}")
    return lost


if __name__ == "__main__":
    sys.exit(main())

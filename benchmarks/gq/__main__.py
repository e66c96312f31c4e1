"""Static int8 and w4a8 against other toolchains: `python -m benchmarks.gq [--only TEXT] [--no-run]`.

Every toolchain quantizes in a process of its own, in a throw-away environment where it is not among the project's
pins, from the same float network and the same inputs, and its output for the same test inputs goes through one
evaluation function. Results are kept, and a run goes on where it stopped. Exits with 1 where a claim is lost.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gq import models, ours
from benchmarks.gq.cells import Cell, cells
from benchmarks.gq.claims import claims
from benchmarks.gq.environments import python
from benchmarks.gq.evaluation import Logits, evaluate
from benchmarks.gq.table import render
from tests.support import ROOT


def main() -> int:
    """Run what is not known yet, print tables and lost claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="cells whose label holds the text")
    parser.add_argument("--again", action="store_true", help="measure anew what is known")
    parser.add_argument("--no-run", action="store_true", help="tables of what is known")
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    parser.add_argument("--table", type=Path, help="write the tables as markdown into this file")
    options = parser.parse_args()
    chosen = [cell for cell in cells() if all(text in cell.label for text in options.only)]
    known = {}
    for cell in chosen:
        folder = options.home.resolve() / "gq" / cell.folder
        if not options.no_run and (options.again or not (folder / "result.json").is_file()):
            run(cell, folder, options.home)
        if (folder / "result.json").is_file():
            known[cell] = _result(cell, folder)
            print(f"{cell.label}: {_line(known[cell])}", flush=True)
    names = dict.fromkeys(cell.model for cell in known)
    floats = {name: asdict(evaluate(_float(name), _float(name), models.data(name, "test").labels)) for name in names}
    text = render(known, floats)
    print(text)
    if options.table is not None:
        options.table.write_text(text, encoding="utf-8")
    found = claims(known, {name: item["top1"] for name, item in floats.items()})
    lost = [claim for claim, holds in found if not holds]
    for claim in lost:
        print(f"LOST {claim}")
    print(f"{len(found) - len(lost)} of {len(found)} claims hold")
    return 1 if lost else 0


def run(cell: Cell, folder: Path, home: Path) -> None:
    """Quantize in a process of its own; `folder` then holds result.json and the logits, or the error."""
    folder.mkdir(parents=True, exist_ok=True)
    job = {
        "model": cell.model, "setting": dict(cell.setting), "out": str(folder), "batch": models.batch(cell.model),
        **{name: str(path) for name, path in models.write(cell.model, home.resolve() / "gq").items()},
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    load = os.getloadavg()[0]
    worker = f"benchmarks.gq.workers.{cell.worker}"
    command = [str(python(cell.worker, home.resolve())), "-m", worker, str(folder / "job.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        result = {"error": (done.stderr.strip().splitlines() or ["?"])[-1]}
    else:
        result = {**json.loads((folder / "result.json").read_text()), "load": load}
    (folder / "result.json").write_text(json.dumps(result, indent=1, sort_keys=True))


def _result(cell: Cell, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    if "error" in result:
        return result
    output = models.rows(cell.model, np.load(folder / "logits.npy"))
    return {**result, **asdict(evaluate(output, _float(cell.model), models.data(cell.model, "test").labels))}


@cache
def _float(model: str) -> Logits:
    return ours.output(model, models.exported(model), models.data(model, "test").inputs)


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"FAILED {result['error']}"
    return (f"top-1 {result['top1']:.2f}, perplexity {result['perplexity']:.3f}, MSE {result['mse']:.3f},"
            f" {result['seconds']:.1f} s")


if __name__ == "__main__":
    sys.exit(main())

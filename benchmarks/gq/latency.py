"""Latency, cycles and coverage of int8 against the toolchains' own: `python -m benchmarks.gq.latency [--model NAME]`.

The same float network goes through Edgewright and through the quantizer that the toolchain offers (XNNPACKQuantizer,
EthosUQuantizer, ONNX Runtime's static quantization with uint8 activations, NNCF's preset performance for OpenVINO) and
is compiled for the same target. CPU latency is of both in turns in one process, on one thread, batch 1, median of 200
runs; cycles are Vela's estimate. Results are kept. Exits with 1 where the toolchain's own is faster.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gq import __main__ as static
from benchmarks.gq import models
from benchmarks.gq.cells import Cell
from benchmarks.gq.networks import NETWORKS
from tests.support import ROOT

TARGETS = ("xnnpack", "onnxruntime", "openvino", "ethos-u85-256", "ethos-u55-128")
MODELS = ("resnet8", "resnet20", "toycar", *NETWORKS)
_NOISE = 1.02
"""A latency ratio up to which two medians are called equal."""
_HEAD = """# Latency, cycles and coverage of int8

Made by `python -m benchmarks.gq.latency --table docs/latency-benchmark.md`; do not edit it. Ours against the \
toolchain's own quantizer on the same target (XNNPACKQuantizer, EthosUQuantizer, ONNX Runtime's static quantization, \
NNCF for OpenVINO). CPU: median ms of 200 runs in turns, one thread, batch 1. Ethos-U: millions of cycles by Vela. \
SNR is that of the output against float on 16 inputs; parts is the number of delegates, left the operators outside of \
them.

| model | target | ours | theirs | ours / theirs | SNR dB ours, theirs | parts (left) ours | parts (left) theirs |
|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Run what is not known, print the table and what is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=[*MODELS, *models.LANGUAGE], default=list(MODELS))
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--again", action="store_true", help="measure anew what is known")
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    parser.add_argument("--table", type=Path, help="write the table as markdown into this file")
    options = parser.parse_args()
    lines, lost = [_HEAD], []
    for model in options.model:
        for target in options.target:
            found = run(model, target, options.home.resolve(), options.again)
            lines.append(row(model, target, found))
            print(lines[-1], flush=True)
            lost += judge(model, target, found)
    print("\n".join(lines))
    if options.table is not None:
        options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for line in lost:
        print(f"LOST {line}")
    return 1 if lost else 0


def run(model: str, target: str, home: Path, again: bool) -> dict[str, Any]:
    """The figures of both sides, from a process of its own."""
    folder = home / "gq" / f"{model}-latency-{target}"
    path = folder / "latency.json"
    if again or not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        is_dynamic = model in models.LANGUAGE and target != "openvino"
        job = {
            "model": model, "target": target, "scheme": "w8a8 dynamic" if is_dynamic else "w8a8", "out": str(folder),
            **{name: str(item) for name, item in models.write(model, home / "gq").items()},
        }
        if target == "openvino":
            job["int8"] = str(_nncf(model, home))
        (folder / "job.json").write_text(json.dumps(job))
        environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "benchmarks.gq.workers.latency", str(folder / "job.json")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            return {"ours": {"error": last}, "theirs": {"error": last}}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _nncf(model: str, home: Path) -> Path:
    """NNCF's int8 network."""
    is_language = model in models.LANGUAGE
    setting = (("preset", "performance"), ("bias", False), ("transformer", is_language))
    cell = Cell(model, "w8a8", "NNCF performance", "nncf", setting)
    path = home / "gq" / cell.folder / "int8.onnx"
    if not path.is_file():
        static.run(cell, path.parent, home)
    return path


def row(model: str, target: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """A line of the table."""
    mine, theirs = found["ours"], found["theirs"]
    ratio = f"{_cost(mine) / _cost(theirs):.2f}" if _is_done(mine) and _is_done(theirs) else ""
    quality = ", ".join(f"{item['snr_db']:.1f}" if "snr_db" in item else "" for item in (mine, theirs))
    return (f"| {model} | {target} | {_shown(mine)} | {_shown(theirs)} | {ratio} | {quality} | {_parts(mine)} |"
            f" {_parts(theirs)} |")


def _is_done(item: Mapping[str, Any]) -> bool:
    return "ms" in item or "cycles" in item


def _cost(item: Mapping[str, Any]) -> float:
    return float(item["cycles"] if "cycles" in item else item["ms"])


def _shown(item: Mapping[str, Any]) -> str:
    if not _is_done(item):
        return f"failed: {item.get('error', '?')[:100].replace('|', '/')}"
    return f"{item['cycles'] / 1e6:.3f}" if "cycles" in item else f"{item['ms']:.3f}"


def _parts(item: Mapping[str, Any]) -> str:
    if "delegates" not in item:
        return ""
    left = f"{item['left']}: {', '.join(item['left_operators'])}" if item["left"] else "0"
    return f"{item['delegates']} ({left})"


def judge(model: str, target: str, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is lost: ours fails, or is slower than the toolchain's own."""
    mine, theirs = found["ours"], found["theirs"]
    if not _is_done(mine):
        return [f"{model} on {target}: {mine.get('error', '?')}"]
    if _is_done(theirs) and _cost(mine) > _cost(theirs) * (1 if "cycles" in mine else _NOISE):
        return [f"{model} on {target}: {_shown(mine)}, the toolchain's own {_shown(theirs)}"]
    return []


if __name__ == "__main__":
    sys.exit(main())

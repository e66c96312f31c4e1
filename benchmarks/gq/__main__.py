"""Static int8 and w4a8 of the classifiers against other toolchains: `python -m benchmarks.gq [--only TEXT] [--no-run]`.

Every toolchain quantizes in a process of its own, in a throw-away environment where it is not among the project's
pins, from the same float network and the same 500 images, and its logits of the same 2,500 test images go through one
evaluation function. Results are kept, and a run goes on where it stopped. Exits with 1 where a claim is lost.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gq import ours
from benchmarks.gq.environments import python
from benchmarks.gq.evaluation import evaluate, logits_of
from tests.support import ROOT

MODELS = ("resnet8", "resnet20")
MAPS = ("xnnpack", "onnxruntime", "openvino", "ethos-u85-256")
_GOAL = {("resnet20", "w4a8"): 91.3, ("resnet8", "w4a8"): 85.5}
_MSE = {"resnet20": 0.528, "resnet8": 0.641}
"""The least logit MSE at w8a8 that any peer reached here, measured once with its own preparation of the network."""

_POINTS = 0.1


@dataclass(frozen=True)
class Cell:
    """One measurement: a model, bits of the weights, a toolchain, and its setting."""

    model: str
    scheme: str
    toolchain: str
    worker: str
    setting: tuple[tuple[str, Any], ...]

    @property
    def label(self) -> str:
        """As progress and tables show it."""
        return f"{self.model} {self.scheme} {self.toolchain}"

    @property
    def is_ours(self) -> bool:
        """Whether it is Edgewright's."""
        return self.worker == "ours"


def cells() -> Iterator[Cell]:
    """What is compared, the references first."""
    for model in MODELS:
        for target in ("xnnpack", "ethos-u85-256"):
            name = "XNNPACKQuantizer" if target == "xnnpack" else "EthosUQuantizer"
            yield Cell(model, "w8a8", f"ExecuTorch {name}", "executorch", (("target", target),))
        for method, name in (("MinMax", "minmax"), ("Percentile", "percentile 99.999"), ("Entropy", "entropy")):
            yield Cell(model, "w8a8", f"ONNX Runtime {name}", "onnxruntime", (("calibration", method),))
        for preset in ("mixed", "performance"):
            for bias in (False, True):
                name = f"NNCF {preset}{', fast bias correction' if bias else ''}"
                yield Cell(model, "w8a8", name, "nncf", (("preset", preset), ("bias", bias)))
        for bits in (8, 4):
            for ranges in ("min-max", "tf-enhanced"):
                yield Cell(model, f"w{bits}a8", f"AIMET {ranges}", "aimet", (("ranges", ranges), ("bits", bits)))
        for target in MAPS:
            yield Cell(model, "w8a8", f"ours, {target}", "ours", (("target", target), ("scheme", "w8a8")))
        for rounding in ("", ", adaround"):
            setting = (("target", "ethos-u85-256"), ("scheme", f"w4a8{rounding}"))
            yield Cell(model, "w4a8", f"ours{rounding or ', gptq'}", "ours", setting)


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
        folder = options.home.resolve() / "gq" / cell.label.replace(" ", "-").replace(",", "")
        if not options.no_run and (options.again or not (folder / "result.json").is_file()):
            _run(cell, folder, options.home)
        if (folder / "result.json").is_file():
            known[cell] = _result(cell, folder)
            print(f"{cell.label}: {_line(known[cell])}", flush=True)
    text = tables(known)
    print(text)
    if options.table is not None:
        options.table.write_text(text, encoding="utf-8")
    lost = [claim for claim, holds in claims(known) if not holds]
    for claim in lost:
        print(f"LOST {claim}")
    print(f"{sum(holds for _, holds in claims(known))} of {len(claims(known))} claims hold")
    return 1 if lost else 0


def _run(cell: Cell, folder: Path, home: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    job = {
        "model": cell.model, "setting": dict(cell.setting), "out": str(folder),
        **{name: str(path) for name, path in _inputs(cell.model, home.resolve() / "gq").items()},
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


def _inputs(model: str, folder: Path) -> dict[str, Path]:
    """The float network as ONNX, and the images, made once."""
    import torch
    from onnxruntime.quantization import quant_pre_process

    paths = {name: folder / f"{model}-{name}" for name in ("float.onnx", "calibration.npy", "test.npy")}
    if not all(path.is_file() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        network = ours.exported(model).module(check_guards=False)
        example = torch.from_numpy(ours.data(model, "calib").images[:2])
        torch.onnx.export(
            network, (example,), str(paths["float.onnx"]), dynamo=True, opset_version=21, verbose=False,
            input_names=["x"], dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
        )
        # Folds batch norms, as every toolchain's guide asks for.
        quant_pre_process(str(paths["float.onnx"]), str(paths["float.onnx"]))
        np.save(paths["calibration.npy"], ours.data(model, "calib").images)
        np.save(paths["test.npy"], ours.data(model, "test").images)
    return {"onnx": paths["float.onnx"], "calibration": paths["calibration.npy"], "test": paths["test.npy"]}


def _result(cell: Cell, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    if "error" in result:
        return result
    test = ours.data(cell.model, "test")
    logits = iter(np.array_split(np.load(folder / "logits.npy"), len(test.images) // 250))
    reference = logits_of(ours.runner(ours.exported(cell.model)), test.images)
    return {**result, **asdict(evaluate(lambda _: next(logits), reference, test.images, test.labels))}


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"FAILED {result['error']}"
    return f"top-1 {result['top1']:.2f}, MSE {result['mse']:.3f}, {result['seconds']:.1f} s"


def tables(known: dict[Cell, dict[str, Any]]) -> str:
    """Markdown: one table for each model and scheme, the least logit MSE first."""
    lines = [
        "# Graph quantization against other toolchains", "",
        "Made by `python -m benchmarks.gq --table docs/gq-benchmark.md`; do not edit it. Calibration on the same 500"
        " CIFAR-10 images, evaluation of 2,500 test images by one function; MSE is the mean squared L2 distance of the"
        " logits to the float network's. Ours are the quantized Programs on the map of a target; w4a8 is a figure of"
        " the Program. Seconds are those of quantization, `busy` where the machine was not idle; peak is the resident"
        " memory of the whole process.",
    ]
    for model in MODELS:
        top1 = _float(model)
        for scheme in ("w8a8", "w4a8"):
            rows = {cell: row for cell, row in known.items() if (cell.model, cell.scheme) == (model, scheme)}
            if not rows:
                continue
            lines += ["", f"## {model}, {scheme}", "", f"Float: top-1 {top1:.2f} %.", "",
                      "| | top-1 | MSE | SNR dB | agree | ECE | seconds | cpu s | peak MB |", "|---" * 9 + "|"]
            for cell, row in sorted(rows.items(), key=lambda item: item[1].get("mse", np.inf)):
                name = f"**{cell.toolchain}**" if cell.is_ours else cell.toolchain
                lines.append(_row(name, row))
    return "\n".join(lines) + "\n"


def _row(name: str, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"| {name} | failed: {row['error'][:80].replace('|', '/')} |" + " |" * 7
    busy = " busy" if row["load"] > 1.3 else ""
    return (f"| {name} | {row['top1']:.2f} | {row['mse']:.3f} | {row['snr_db']:.1f} | {row['agree']:.2f} |"
            f" {row['ece']:.2f} | {row['seconds']:.1f}{busy} | {row['cpu_seconds']:.1f} |"
            f" {row['peak_bytes'] / 1e6:.0f} |")


def _float(model: str) -> float:
    test = ours.data(model, "test")
    logits = logits_of(ours.runner(ours.exported(model)), test.images)
    return 100 * float((logits.argmax(1) == test.labels).mean())


def claims(known: dict[Cell, dict[str, Any]]) -> list[tuple[str, bool]]:
    """Sentences with figures, and whether each holds."""
    found = []
    done = {cell: row for cell, row in known.items() if "error" not in row}
    for cell, row in done.items():
        peers = {other: item for other, item in done.items()
                 if not other.is_ours and (other.model, other.scheme) == (cell.model, cell.scheme)}
        if not cell.is_ours:
            continue
        if cell.scheme == "w8a8":
            drop = _float(cell.model) - row["top1"]
            found.append((f"{cell.label}: {drop:.2f} points below float, {_POINTS} allowed", drop <= _POINTS))
            least = _MSE[cell.model]
            found.append((f"{cell.label}: MSE {row['mse']:.3f}, least known of a peer {least}", row["mse"] < least))
        else:
            goal = _GOAL[cell.model, cell.scheme]
            found.append((f"{cell.label}: top-1 {row['top1']:.2f}, goal {goal}", row["top1"] >= goal))
        if peers:
            best = min(peers, key=lambda other: peers[other]["mse"])
            mse = peers[best]["mse"]
            found.append((f"{cell.label}: MSE {row['mse']:.3f}, {best.toolchain} {mse:.3f}", row["mse"] < mse))
            fast = min(peers, key=lambda other: peers[other]["cpu_seconds"])
            cpu = peers[fast]["cpu_seconds"]
            text = f"{cell.label}: {row['cpu_seconds']:.1f} cpu s, {fast.toolchain} {cpu:.1f}"
            found.append((text, row["cpu_seconds"] <= cpu))
    return found


if __name__ == "__main__":
    sys.exit(main())

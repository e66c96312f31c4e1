"""Our own quantized programs: of a shipped classifier, for a scheme, on the map of a target.

    python -m benchmarks.gq.ours [--model resnet8 resnet20] [--target ethos-u85-256 ...] [--scheme w8a8 w4a8 ...]

prints a table. Calibration is on all 500 images of `cifar10_calib.parquet`, the evaluation on all 2,500 of
`cifar10_test.parquet`; `--folds` evaluates on calibration images instead, in two folds, which is how defaults are
chosen. A map that has no kernel for 4-bit weights with static 8-bit activations gets one: the figures are of the
program, not of a device.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.export import ExportedProgram

from benchmarks.gq.evaluation import Figures, Images, Logits, Model, evaluate, logits_of
from edgewright import gq, ir, targets
from edgewright.config import GqScheme
from edgewright.datasets import Sample
from edgewright.go.optimize import optimize
from edgewright.models.load import export, fetch, load
from edgewright.targets import Kernel, Target
from tests.support import ROOT, SAMPLES, entry_of

FOLDERS = {"resnet8": "resnet8_cifar10", "resnet20": "resnet20_cifar10"}
TARGETS = ("xnnpack", "onnxruntime", "ethos-u85-256")

_STATIC: dict[str, Any] = {"bits": 8, "mode": "static"}


def _scheme(bits: int, activations: Mapping[str, Any] = _STATIC, rounding: str | None = None, **rest: Any) -> GqScheme:
    weights = {"bits": bits, **({} if rounding is None else {"rounding": rounding})}
    return GqScheme.model_validate({"weights": weights, "activations": activations, **rest})


_MINMAX = {**_STATIC, "calibration": {"method": "minmax"}}
_EVERYTHING = {"corrections": ["equalize", "bias", "batch-norm"]}
SCHEMES: Mapping[str, GqScheme] = {
    name: scheme
    for bits in (8, 4)
    for name, scheme in {
        f"w{bits}a8": _scheme(bits),
        f"w{bits}a8, nearest, no correction": _scheme(bits, rounding="nearest", corrections=[]),
        f"w{bits}a8, nearest": _scheme(bits, rounding="nearest"),
        f"w{bits}a8, seq-mse": _scheme(bits, rounding="seq-mse"),
        f"w{bits}a8, adaround": _scheme(bits, rounding="adaround"),
        f"w{bits}a8, no correction": _scheme(bits, corrections=[]),
        f"w{bits}a8, all corrections": _scheme(bits, **_EVERYTHING),
        f"w{bits}a8, minmax": _scheme(bits, _MINMAX),
    }.items()
}


@dataclass(frozen=True, slots=True)
class Data:
    """Preprocessed images [n, 3, 32, 32] and labels [n]."""

    images: Images
    labels: NDArray[np.int64]


@cache
def data(model: str, split: str) -> Data:
    """The images of a split (`calib`, `test`) as `model` wants them."""
    table = pq.read_table(SAMPLES / f"cifar10_{split}.parquet").to_pydict()
    pixels = [np.asarray(Image.open(io.BytesIO(item["bytes"])).convert("RGB")) for item in table["image"]]
    images = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32)
    chosen = entry_of(FOLDERS[model]).preprocess
    scaled = images * np.float32(1.0 if chosen.scale is None else chosen.scale)
    for values, apply in ((chosen.mean, np.subtract), (chosen.std, np.divide)):
        if values is not None:
            scaled = apply(scaled, np.asarray(values, dtype=np.float32).reshape(-1, 1, 1))
    return Data(scaled.astype(np.float32), np.asarray(table["label"]))


@cache
def exported(model: str) -> ExportedProgram:
    """The float Program of a shipped classifier, as exported."""
    with tempfile.TemporaryDirectory() as folder:
        fetch(entry_of(FOLDERS[model]), Path(folder), ROOT)
        return export(load(Path(folder), ROOT))


@cache
def float_program(model: str, target: str) -> ExportedProgram:
    """The optimized float Program of a shipped classifier for a target."""
    example = torch.from_numpy(data(model, "calib").images[:2])
    return optimize(exported(model), targets.load(target), (example,)).program


def program(model: str, target: str, scheme: GqScheme, images: Images | None = None) -> gq.Quantized:
    """The quantized Program, calibrated on `images`, or on all calibration images."""
    sample = Sample(inputs={"x": data(model, "calib").images if images is None else images})
    return gq.quantize(float_program(model, target), with_four_bits(targets.load(target)), scheme, sample)


def with_four_bits(target: Target) -> Target:
    """The target with a kernel for 4-bit weights per channel and static 8-bit activations where it has one for 8."""
    weights = {"bits": 4, "granularity": "channel"}
    four = Kernel.model_validate({"name": "w4a8", "weights": weights, "activations": _STATIC})
    operators = {}
    for name, item in target.operators.items():
        eight = any(kernel.weights is not None and kernel.activations is not None and kernel.weights.bits == 8
                    and kernel.activations.mode == "static" for kernel in item.quantized)  # fmt: skip
        operators[name] = item.model_copy(update={"quantized": (*item.quantized, four)}) if eight else item
    return target.model_copy(update={"operators": operators})


def runner(found: ExportedProgram) -> Model:
    """A function from images to logits."""
    module = ir.unlift(found)

    def run(images: Images) -> Logits:
        with torch.no_grad():
            logits: Logits = module(torch.from_numpy(images)).numpy()
        return logits

    return run


def figures(model: str, target: str, scheme: GqScheme) -> tuple[Figures, float, tuple[dict[str, Any], ...]]:
    """Of the test images, the seconds that quantization took, and what became of the corrections."""
    test = data(model, "test")
    reference = logits_of(runner(float_program(model, target)), test.images)
    start = time.perf_counter()
    found = program(model, target, scheme)
    seconds = time.perf_counter() - start
    return evaluate(runner(found.program), reference, test.images, test.labels), seconds, found.encodings["corrections"]


def folds(model: str, target: str, scheme: GqScheme) -> Iterator[Figures]:
    """Calibrated on one half of the calibration images and evaluated on the other, and the other way round."""
    calibration = data(model, "calib")
    half = len(calibration.images) // 2
    run: Callable[[Images], Logits] = runner(float_program(model, target))
    for fit, judge in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        images = calibration.images[judge]
        found = program(model, target, scheme, calibration.images[fit])
        yield evaluate(runner(found.program), logits_of(run, images), images, calibration.labels[judge])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=["ethos-u85-256"])
    parser.add_argument("--scheme", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--folds", action="store_true", help="on calibration images alone")
    asked = parser.parse_args()
    print("| model | target | scheme | top-1 | MSE | after a gain | SNR dB | agree | ECE | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model in asked.model:
        for target in asked.target:
            for name in asked.scheme:
                if asked.folds:
                    for found in folds(model, target, SCHEMES[name]):
                        print(_line(model, target, name, found, ""), flush=True)
                    continue
                found, seconds, steps = figures(model, target, SCHEMES[name])
                left = ["+".join(step["methods"]) for step in steps if not step["applied"]]
                note = f" (left out: {', '.join(left)})" if left else ""
                print(_line(model, target, name + note, found, f"{seconds:.1f}"), flush=True)


def _line(model: str, target: str, scheme: str, found: Figures, seconds: str) -> str:
    values = f"{found.top1:.2f} | {found.mse:.3f} | {found.mse_after_gain:.3f} | {found.snr_db:.2f}"
    return f"| {model} | {target} | {scheme} | {values} | {found.agree:.2f} | {found.ece:.2f} | {seconds} |"


if __name__ == "__main__":
    main()

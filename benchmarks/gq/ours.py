"""Our own quantized programs: of a shipped model, for a scheme, on the map of a target.

    python -m benchmarks.gq.ours [--model resnet8 resnet20] [--target ethos-u85-256 ...] [--scheme w8a8 w4a8 ...]

prints a table. Calibration is on all 500 images of `cifar10_calib.parquet`, the evaluation on all 2,500 of
`cifar10_test.parquet`; `--folds` evaluates on calibration images instead, in two folds, which is how defaults are
chosen. A map that has no kernel for 4-bit weights with static 8-bit activations gets one: the figures are of the
program, not of a device.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import torch
from torch.export import ExportedProgram

from benchmarks.gq.evaluation import Figures, Inputs, Logits, Model, evaluate, logits_of
from benchmarks.gq.models import CLASSIFIERS, batch, data, exported, rows
from edgewright import gq, ir, targets
from edgewright.config import GqScheme
from edgewright.datasets import Sample
from edgewright.go.optimize import optimize
from edgewright.targets import Kernel, Target

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
} | {"w8a8 dynamic": _scheme(8, {"bits": 8, "mode": "dynamic"})}


@cache
def float_program(model: str, target: str) -> ExportedProgram:
    """The optimized float Program of a shipped model for a target."""
    example = torch.from_numpy(data(model, "calib").inputs[:2])
    return optimize(exported(model), targets.load(target), (example,)).program


def program(model: str, target: str, scheme: GqScheme, inputs: Inputs | None = None) -> gq.Quantized:
    """The quantized Program, calibrated on `inputs`, or on all calibration inputs."""
    sample = Sample(inputs={"x": data(model, "calib").inputs if inputs is None else inputs})
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
    """A function from inputs to outputs."""
    module = ir.unlift(found)

    def run(inputs: Inputs) -> Logits:
        with torch.no_grad():
            logits: Logits = module(torch.from_numpy(inputs)).numpy()
        return logits

    return run


def output(model: str, found: ExportedProgram, inputs: Inputs) -> Logits:
    """The compared rows of a Program's output."""
    return rows(model, logits_of(runner(found), inputs, batch(model)))


def figures(model: str, target: str, scheme: GqScheme) -> tuple[Figures, float, tuple[dict[str, Any], ...]]:
    """Of the test inputs, the seconds that quantization took, and what became of the corrections."""
    test = data(model, "test")
    reference = output(model, float_program(model, target), test.inputs)
    start = time.perf_counter()
    found = program(model, target, scheme)
    seconds = time.perf_counter() - start
    result = evaluate(output(model, found.program, test.inputs), reference, test.labels)
    return result, seconds, found.encodings["corrections"]


def folds(model: str, target: str, scheme: GqScheme) -> Iterator[Figures]:
    """Calibrated on one half of the calibration images and evaluated on the other, and the other way round."""
    inputs, labels = data(model, "calib").inputs, data(model, "calib").labels
    half = len(inputs) // 2
    for fit, judge in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        found = program(model, target, scheme, inputs[fit]).program
        reference = output(model, float_program(model, target), inputs[judge])
        yield evaluate(output(model, found, inputs[judge]), reference, None if labels is None else labels[judge])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=CLASSIFIERS, default=list(CLASSIFIERS))
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

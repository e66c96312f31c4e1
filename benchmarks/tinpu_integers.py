"""The integer ONNX of `tinpu`, executed by ONNX Runtime, against what the Program means in integers: equal bits?

    python -m benchmarks.tinpu_integers
    python -m benchmarks.tinpu_integers --only random-2 --inputs 50 --test 0

ResNet-8 and ResNet-20 run on 500 calibration and 500 test images, random networks of the device's kinds of layer
(first, depthwise, pointwise and generic convolution, pools, fully connected; a residual sum and a convolution in groups
on the CPU) on random images. Each is quantized as the pipeline does. The other side is
`edgewright/targets/adapters/_tinpu_reference.py`, int64 arithmetic on the Program's own nodes; float convolutions on
the CPU are taken over from ONNX Runtime, for the last bits of their sums depend on its order of summation.

The exit code is 1 where a bit of an output differs. The table also says how far the integer model is from the QDQ
Program in float, in steps of the output, and what it scores.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from edgewright import gq, ir, targets
from edgewright.config import DataSource, GqScheme
from edgewright.datasets import Sample, draw
from edgewright.go.optimize import optimize
from edgewright.models.load import export, fetch, load
from edgewright.targets.adapters import _tinpu_reference, onnxruntime
from tests.support import ROOT, entry_of

BATCH = 25
TARGET = "tinpu"
_SYMMETRIC = {"bits": 8, "symmetric": True}
SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "w8a8": {
        "weights": {"bits": 8, "power_of_two": True}, "activations": {**_SYMMETRIC, "power_of_two": True},
    },
    "w4a8": {"weights": {"bits": 4}, "activations": _SYMMETRIC},
    "w2a8": {"weights": {"bits": 2}, "activations": _SYMMETRIC},
}  # fmt: skip
CASES: Mapping[str, tuple[str, str]] = {
    **{f"{name}-{scheme}": (f"{name}_cifar10", scheme)
       for name in ("resnet8", "resnet20") for scheme in ("w8a8", "w4a8")},
    **{f"random-{scheme[1]}": ("random", scheme) for scheme in SCHEMES},
}
"""Name of a case: model (`random` is a network of each seed) and scheme."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A float Program, what calibrates it, what is compared on it, and labelled images to score it on, if any."""

    program: ExportedProgram
    calibration: Sample
    inputs: NDArray[np.float32]
    test: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: outputs compared and different, distances, and top-1 of float, QDQ and integers."""

    case: str
    layers: int
    left: int
    outputs: int
    different: int
    steps: float
    distance: float
    top1: tuple[float, ...]

    def __str__(self) -> str:
        scores = " ".join(f"{score:7.2f}" for score in self.top1)
        return (f"{self.case:16}{self.layers:7}{self.left:6}{self.outputs:9}{self.different:11}{self.steps:8.1f}"
                f"{self.distance:10.1e}  {scores}")


class Random(nn.Module):
    """A network of every kind of layer that the device has, and of some that it has not."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        width = 8 + 4 * (seed % 3)
        self.first = nn.Conv2d(1, width, (3, 5), padding=(1, 2))
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)
        self.grouped = nn.Conv2d(width, width, 3, padding=1, groups=2)
        self.generic = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, dilation=1 + seed % 2)
        self.wide = nn.Conv2d(2 * width, 4 * width, 3, padding=1, bias=False)
        self.fc = nn.Linear(4 * width, 10)
        with torch.no_grad():
            # A channel of zeros, and one that is almost zero under a large bias.
            self.pointwise.weight[0] = 0
            self.pointwise.weight[1] *= 1e-4

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        z = self.pointwise(F.relu6(self.depthwise(y)))
        y = torch.relu(self.grouped(torch.relu(y + z)))
        y = F.max_pool2d(self.generic(y), 2)
        y = F.avg_pool2d(y, 3, stride=2, padding=1)
        return self.fc(torch.clamp(self.wide(y), -1.5, 2.0).mean((2, 3)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--inputs", type=int, default=1000, help="compared, of each network")
    parser.add_argument("--test", type=int, default=2500, help="test images that top-1 is taken on")
    parser.add_argument("--seeds", type=int, default=3, help="random networks a scheme")
    options = parser.parse_args(arguments)
    print(f"{'case':16}{'layers':>7}{'CPU':>6}{'outputs':>9}{'different':>11}{'steps':>8}{'CPU diff':>10}"
          "  top-1: float, QDQ, integers", flush=True)
    different = 0
    with tempfile.TemporaryDirectory(prefix="edgewright-tinpu-") as scratch:
        for case in options.only:
            model, scheme = CASES[case]
            seeds = range(options.seeds) if model == "random" else (0,)
            for seed in seeds:
                subject = (random_subject(seed, options.inputs) if model == "random"
                           else _shipped(model, Path(scratch), options.inputs, options.test))
                row = compare(case, subject, GqScheme.model_validate(SCHEMES[scheme]))
                print(row, flush=True)
                different += row.different
    print("every bit is equal" if not different else f"{different} outputs differ")
    return 1 if different else 0


def compare(case: str, subject: Subject, scheme: GqScheme) -> Row:
    """Quantize, compile, and run all three: ONNX Runtime, the integer semantics, the QDQ Program."""
    target = targets.load(TARGET)
    adapter = targets.adapter(target)
    program = gq.quantize(subject.program, target, scheme, subject.calibration).program
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = adapter.compile(program, target, folder, batch_inputs=(subject.inputs[:BATCH],))
        run = adapter.session(folder, target, 1)
        products = _float_products(folder)
        quantization = manifest.outputs[0].quantization
        step = float(quantization["scale"]) if quantization else 1.0
        outputs = different = 0
        steps = distance = 0.0
        for batch in _batches(subject.inputs):
            found = run((batch,))
            last, given = products(batch)
            assert np.array_equal(last, found), "the session with more outputs computes otherwise"
            wanted, apart = _tinpu_reference.run(program, target, (batch,), iter(given))
            outputs, different = outputs + wanted.size, different + int((wanted != found).sum())
            steps = max(steps, float(np.abs(_program(program, batch) - found).max()) / step)
            distance = max(distance, apart)
        runners: Sequence[Callable[[NDArray[Any]], NDArray[Any]]] = (
            lambda batch: _program(subject.program, batch), lambda batch: _program(program, batch),
            lambda batch: run((batch,)),
        )
        top1 = tuple(_score(runner, subject) for runner in runners) if len(subject.test) else ()
    border = {"quantize_per_tensor", "dequantize_per_tensor"}
    left = sum(item.operator not in border for item in manifest.not_delegated)
    return Row(case, manifest.delegated, left, outputs, different, steps, distance, top1)


def _float_products(folder: Path) -> Callable[[NDArray[Any]], tuple[NDArray[Any], list[NDArray[Any]]]]:
    """The artifact with the results of its float convolutions and matrix products as further outputs."""
    model = onnx.load(folder / "model.onnx")
    # The weight of a layer is stored as int8.
    stored = {node.output[0] for node in model.graph.node if node.op_type == "Cast"}
    names = [node.output[0] for node in model.graph.node
             if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] not in stored]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    (folder / "more").mkdir()
    onnx.save(model, folder / "more" / "model.onnx")
    inference = onnxruntime.open_session(folder / "more", 1)
    (place,) = inference.get_inputs()

    def run(batch: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
        first, *rest = inference.run(None, {place.name: batch})
        return first, rest

    return run


def _batches(inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(inputs) - BATCH + 1, BATCH):
        yield inputs[start : start + BATCH]


def _program(program: ExportedProgram, batch: NDArray[Any]) -> NDArray[Any]:
    with torch.no_grad():
        result: NDArray[Any] = program.module(check_guards=False)(torch.from_numpy(batch)).numpy()
    return result


def _score(runner: Callable[[NDArray[Any]], NDArray[Any]], subject: Subject) -> float:
    """Top-1 in percent."""
    found = np.concatenate([runner(batch).argmax(1) for batch in _batches(subject.test)])
    return float((found == subject.labels[: len(found)]).mean() * 100)


def random_subject(seed: int, count: int) -> Subject:
    """A random network, optimized for the device, and `count` random images."""
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(max(count, 64), 1, 16, 16)).astype(np.float32)
    program = ir.export(Random(seed).eval(), [((1, 16, 16), torch.float32)])
    calibration = Sample(inputs={"x": images[:64]})
    return Subject(_optimized(program, calibration), calibration, images[:count], images[:0], np.zeros(0, np.int64))


def _shipped(name: str, scratch: Path, count: int, test: int) -> Subject:
    folder = scratch / name
    if not folder.exists():
        folder.mkdir()
    spec = fetch(entry_of(name), folder, ROOT)
    samples = {}
    for part in ("calib", "test"):
        data = DataSource(source=f"data/samples/cifar10_{part}.parquet", columns={"image": "image", "label": "label"})
        samples[part] = draw(data, folder, spec, workspace=ROOT).sample
    calibration, held = samples["calib"], samples["test"]
    first, second = (next(iter(item.inputs.values())) for item in (calibration, held))
    inputs = np.concatenate([first[: count // 2], second[: count - count // 2]])
    program = _optimized(export(load(folder, ROOT)), calibration)
    assert held.labels is not None
    return Subject(program, calibration, inputs, second[:test], np.asarray(held.labels)[:test])


def _optimized(program: ExportedProgram, calibration: Sample) -> ExportedProgram:
    witnesses = tuple(torch.from_numpy(value) for value in next(calibration.batches(2)))
    return optimize(program, targets.load(TARGET), witnesses).program


if __name__ == "__main__":
    sys.exit(main())

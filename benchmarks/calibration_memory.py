"""Peak memory of graph quantization against the number of calibration samples: it must not grow.

    python -m benchmarks.calibration_memory [--samples 128 1024 8192] [--methods histogram entropy]

Random images of 3 x 32 x 32 go through a small convolutional network with every calibration method, each in a process
of its own that reads them from a sample.parquet as the stage does: 8,192 of them are 101 MB. The peak of the resident
memory is taken beyond what the process holds after it has quantized with 16 samples. From the fewest samples to the
most it must grow by less than 16 MB. Exits with 1 if it does not hold.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgewright import registry
from edgewright.datasets import Sample
from tests.support import ROOT

ALLOWED_BYTES = 16 << 20
_FIRST = 16
_KIB = 1024


def main() -> int:
    """Print a line a run; 1 if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[128, 1024, 8192])
    parser.add_argument("--methods", nargs="+", default=registry.names("edgewright.gq.calibration"))
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="edgewright-") as name:
        folder = Path(name)
        prepare(folder, options.samples)
        for method in options.methods:
            peaks = {}
            for count in sorted(options.samples):
                result = measure(folder, method, count)
                peaks[count] = result["peak_bytes"] - result["base_bytes"]
                print(f"{method:15} {count:5} samples: {peaks[count] / 1e6:6.1f} MB beyond"
                      f" {result['base_bytes'] / 1e6:.0f} MB, {result['seconds']:.1f} s", flush=True)
            grown = max(peaks.values()) - peaks[min(peaks)]
            wrong += grown >= ALLOWED_BYTES
            print(f"{method:15} grows by {grown / 1e6:.1f} MB; less than {ALLOWED_BYTES / 1e6:.1f} MB is allowed"
                  f"{': WRONG' if grown >= ALLOWED_BYTES else ''}", flush=True)
    return 1 if wrong else 0


def prepare(folder: Path, counts: Iterable[int]) -> None:
    """Write the program and a sample of each of `counts`, and of as many as the base is measured with."""
    _write_program(folder / "program.pt2")
    for count in (_FIRST, *counts):
        values = np.random.default_rng(0).standard_normal((count, 3, 32, 32), np.float32)
        Sample({"x": values}).save(folder / f"{count}.parquet")


def measure(folder: Path, method: str, count: int) -> dict[str, float]:
    """Memory before and at its peak, and seconds, of quantizing `program.pt2` in a process of its own.

    Returns:
        {"base_bytes", "peak_bytes", "seconds"}.
    """
    command = [sys.executable, "-m", "benchmarks.calibration_memory", str(folder), method, str(count)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _write_program(path: Path) -> None:
    import torch
    from torch import nn

    from edgewright import ir

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    ir.save(ir.export(net.eval(), [((3, 32, 32), torch.float32)]), path)


def _work(folder: Path, method: str, count: int) -> None:
    from edgewright import gq, ir, targets
    from edgewright.config import GqScheme
    from edgewright.datasets import SampleFile

    program, target = ir.load(folder / "program.pt2"), targets.load("xnnpack")
    activations = {"bits": 8, "calibration": {"method": method, "max_clipped": 1.0}}
    scheme = GqScheme.model_validate({"weights": {"bits": 8}, "activations": activations})
    gq.quantize(program, target, scheme, SampleFile.open(folder / f"{_FIRST}.parquet"))
    base, started = _resident("VmRSS"), time.monotonic()
    gq.quantize(program, target, scheme, SampleFile.open(folder / f"{count}.parquet"))
    seconds = time.monotonic() - started
    print(json.dumps({"base_bytes": base, "peak_bytes": _resident("VmHWM"), "seconds": seconds}))


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * _KIB


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        _work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())

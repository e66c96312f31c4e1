"""A GPTQ checkpoint that gptqmodel wrote, read in and compiled with its integers untouched.

    python -m benchmarks.aq.foreign

gptqmodel quantizes english_llama in its own environment and saves it. The checkpoint then is a model source like any
other: it is fetched, exported, optimized, quantized (w4a8-dynamic) and compiled for XNNPACK. The exit code is 1 if a
weight is not what gptqmodel itself reads from its file, or an integer is missing in the compiled artifact.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.aq import environments, models
from edgewright import gq, ir, targets
from edgewright.config import ModelEntry
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Sample
from edgewright.go.optimize import optimize
from edgewright.models.load import LoadedModel, export, fetch, load
from edgewright.models.quantized import quantized_modules
from tests.support import ROOT

HOME = ROOT / ".edgewright" / "bench"
_SCHEME = {"weights": {"bits": 4, "granularity": "group", "group": 32}, "activations": {"bits": 8, "mode": "dynamic"}}


def nibbles(integers: torch.Tensor) -> bytes:
    """Signed 4-bit integers [out, in] as XNNPACK packs them: counted from the smallest, even columns low."""
    values = (integers.to(torch.int16) + 8).to(torch.uint8)
    return (values[:, ::2] | (values[:, 1::2] << 4)).numpy().tobytes()


def compiled(model: LoadedModel, folder: Path) -> bytes:
    """The XNNPACK artifact of a model."""
    ids = torch.from_numpy(np.load(models.calibration("english", HOME, 0))[:4])
    target = targets.load("xnnpack")
    program = optimize(export(model), target, (ids[:2],)).program
    program = gq.quantize(program, target, GqScheme.model_validate(_SCHEME), Sample({"input_ids": ids.numpy()})).program
    inputs = [tensor.numpy() for tensor in ir.example_inputs(program, 1)[0]]
    targets.adapter(target).compile(program, target, folder, batch_inputs=inputs)
    return next(folder.glob("*.pte")).read_bytes()


def main() -> int:
    """Print what was compared; 0 if all of it is equal."""
    interpreter = environments.python("gptqmodel", HOME)
    source, calibration = models.prepare("english", HOME), models.calibration("english", HOME, 0)
    with tempfile.TemporaryDirectory(prefix="edgewright-foreign-") as parent:
        out = Path(parent)
        command = [str(interpreter), "-m", "benchmarks.aq.workers.saved_gptq", str(source), str(calibration), parent]
        # There, because it leaves logs where it runs.
        environment = {**environments.variables(2), "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, cwd=parent, env=environment)
        entry = ModelEntry.model_validate({
            "task": "language-modeling", "source": str(out / "saved"), "calibration": "c", "holdout": "h",
        })
        folder = out / "model"
        folder.mkdir()
        fetch(entry, folder, ROOT)
        model = load(folder)
        theirs = load_file(out / "weights.safetensors")
        layers = quantized_modules(model.module)
        wrong = 0 if layers.keys() == theirs.keys() else 1
        for name, layer in layers.items():
            own = layer.dequantized()
            # Theirs was multiplied in float16.
            if not torch.allclose(own, theirs[name], rtol=2e-3, atol=1e-6):
                print(f"WRONG {name}: weights differ by {float((own - theirs[name]).abs().max()):.2e}")
                wrong += 1
        print(f"{len(layers)} layers read, their weights those that gptqmodel reads: {'no' if wrong else 'yes'}")
        artifact = compiled(model, out / "compiled")
        found = [name for name, layer in layers.items() if nibbles(layer.weight) in artifact]
        print(f"{len(found)} of {len(layers)} layers have their integers in the artifact of {len(artifact)} bytes")
    return 1 if wrong or len(found) < len(layers) else 0


if __name__ == "__main__":
    sys.exit(main())

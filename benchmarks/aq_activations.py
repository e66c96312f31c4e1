"""What SmoothQuant, AWQ and QuaRot gain where activations are quantized too, as perplexity of the quantized Program.

    python -m benchmarks.aq_activations
    python -m benchmarks.aq_activations --models english_llama --schemes w8a8-static --windows 32 --holdout 64
    python -m benchmarks.aq_activations --smoke

Each shipped language model is taken as it is and with planted outlier channels, which leave its function as it is
(`benchmarks.outliers`). aq, ir, go (for xnnpack) and gq are the functions that the stages call; what is scored is
the Program of gq, run by PyTorch, on held-out windows of 256 tokens. `w4a8` has its weights in groups of 32.

The exit code is 1 where a claim does not hold: with planted outliers SmoothQuant and QuaRot win back at least
`RECOVERED` of what round-to-nearest loses against the float model, for 8-bit weights; without, they lose at most
`TOLERATED` against round-to-nearest.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from benchmarks import outliers
from edgewright import aq, gq, ir, targets
from edgewright.config import AqRecipe, DataSource, GqScheme
from edgewright.datasets import Sample, draw
from edgewright.evaluate import evaluate, runners
from edgewright.go.optimize import optimize
from edgewright.models.load import LoadedModel, export, fetch, load
from edgewright.models.spec import ModelSpec
from tests.support import ROOT, entry_of

TEXTS = {"english_llama": "english", "stories260k_llama": "tinystories"}
METHODS = ("rtn", "awq", "smoothquant", "quarot")
SCHEMES: Mapping[str, Mapping[str, object]] = {
    "w8a8-static": {
        "weights": {"bits": 8}, "activations": {"bits": 8, "mode": "static"},
        "layers": {"model": "float", "model.layers": {"bits": 8}},
    },
    "w8a8-dynamic": {"weights": {"bits": 8}, "activations": {"bits": 8, "mode": "dynamic"}},
    "w4a8-dynamic": {
        "weights": {"bits": 4, "granularity": "group", "group": 32}, "activations": {"bits": 8, "mode": "dynamic"},
    },
}  # fmt: skip
RECOVERED, TOLERATED = 0.5, 0.01
_WITNESSES = 2


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with its samples; `is_planted` says whether it gets outlier channels."""

    name: str
    is_planted: bool
    folder: Path
    spec: ModelSpec
    calibration: Sample
    holdout: Sample

    def load(self) -> LoadedModel:
        """The float model."""
        model = load(self.folder, ROOT)
        if self.is_planted:
            outliers.plant(model.module, seed=0, channels=4, factor=32.0, values=True)
        return model

    def score(self, runner: runners.Runner) -> float:
        """Perplexity of the held-out windows."""
        metrics = evaluate(runner.run, self.holdout, self.spec.task, reference=None, batch=runner.batch,
                           drift_samples=1, runtime=runner.runtime, size_bytes=0)
        return float(metrics["metric"]["value"])


def quantized(subject: Subject, scheme_name: str, method: str, scratch: Path) -> float:
    """Perplexity of the Program that the pipeline gives."""
    scheme = GqScheme.model_validate(SCHEMES[scheme_name])
    assert scheme.weights is not None
    recipe = AqRecipe(algorithms=(method,), bits=scheme.weights.bits, group=scheme.weights.group)
    model = subject.load()
    result = aq.quantize(model, subject.calibration, recipe)
    program = export(LoadedModel(result.module, subject.spec, subject.folder))
    target = targets.load("xnnpack")
    witnesses = tuple(torch.from_numpy(value) for value in next(subject.calibration.batches(_WITNESSES)))
    optimized = optimize(program, target, witnesses)
    path = scratch / "program.pt2"
    ir.save(gq.quantize(optimized.program, target, scheme, subject.calibration).program, path)
    return subject.score(runners.from_program(path, subject.spec.task))


def judge(is_planted: bool, scheme: str, original: float, found: Mapping[str, float]) -> list[str]:
    """Claims that the perplexities of a model and a scheme break; `original` is that of the float model."""
    wrong = []
    for method in ("smoothquant", "quarot"):
        if method not in found:
            continue
        lost, left = found["rtn"] - original, found[method] - original
        if is_planted and scheme.startswith("w8") and left > (1 - RECOVERED) * lost:
            wrong.append(f"{method} wins back {1 - left / lost:.0%} of what rtn loses, not {RECOVERED:.0%}")
        loss = found[method] / found["rtn"] - 1
        if not is_planted and loss > TOLERATED:
            wrong.append(f"{method} loses {loss:.1%} against rtn, more than {TOLERATED:.0%}")
    return wrong


def subject(name: str, is_planted: bool, folder: Path, windows: int, holdout: int | None) -> Subject:
    """A shipped model in `folder`, with a sample of its texts."""
    folder.mkdir()
    spec = fetch(entry_of(name), folder, ROOT)

    def sample(part: str, count: int | None, exclude: Sample | None = None) -> Sample:
        source = f"data/samples/{TEXTS[name]}_{part}.parquet"
        data = DataSource(source=source, columns={"text": "text"}, samples=count, seed=0)
        return draw(data, folder, spec, exclude=exclude, workspace=ROOT).sample

    held = sample("eval", holdout)
    return Subject(name, is_planted, folder, spec, sample("calib", windows, held), held)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line a model and scheme."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(TEXTS), default=sorted(TEXTS))
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--methods", nargs="+", default=METHODS, help="compared with rtn, which is always run")
    parser.add_argument("--only", choices=("plain", "outliers"), help="models as they are, or with outliers; else both")
    parser.add_argument("--windows", type=int, default=64, help="of the calibration text")
    parser.add_argument("--holdout", type=int, help="windows of the held-out text; all by default")
    parser.add_argument("--smoke", action="store_true", help="the smallest model with outliers, dynamic, few windows")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.models, options.schemes, options.only = ["stories260k_llama"], ["w8a8-dynamic"], "outliers"
        options.methods, options.windows, options.holdout = ["smoothquant", "quarot"], 2, 8
    planted = [kind == "outliers" for kind in ("plain", "outliers") if options.only in (None, kind)]
    methods = list(dict.fromkeys(("rtn", *options.methods)))
    print(f"{'model':28}{'scheme':14}{'float':>9}" + "".join(f"{name:>13}" for name in methods), flush=True)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="edgewright-activations-") as scratch:
        for name, is_planted in product(options.models, planted):
            title = f"{name}{'+outliers' if is_planted else ''}"
            item = subject(name, is_planted, Path(scratch, title), options.windows, options.holdout)
            original = item.score(runners.from_model(item.load(), 0))
            for scheme in options.schemes:
                print(f"{title:28}{scheme:14}{original:9.3f}", end="", flush=True)
                found = {}
                for method in methods:
                    found[method] = quantized(item, scheme, method, Path(scratch))
                    print(f"{found[method]:13.3f}", end="", flush=True)
                print()
                for claim in judge(is_planted, scheme, original, found):
                    wrong += 1
                    print(f"WRONG: {claim}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

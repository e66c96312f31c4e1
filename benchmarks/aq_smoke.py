"""Perplexity of a shipped language model after weight quantization, and the time that it took.

    python -m benchmarks.aq_smoke english_llama rtn awq awq,clip
    python -m benchmarks.aq_smoke stories260k_llama rtn awq --bits 3 --asymmetric --holdout 64

Calibration: 128 windows of 256 tokens drawn with a seed. Evaluation: the whole held-out text in windows of 256 tokens,
or --holdout of them, each scored alone (protocol A of data/samples/models/README.md). Weights only; float activations.
"""

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edgewright import aq
from edgewright.config import AqRecipe, DataSource
from edgewright.datasets import Sample, draw
from edgewright.evaluate import evaluate, runners
from edgewright.models.load import LoadedModel, fetch, load
from tests.support import ROOT, entry_of

TEXTS = {"english_llama": "english", "stories260k_llama": "tinystories"}


def perplexity(model: LoadedModel, holdout: Sample) -> float:
    """Of the held-out windows."""
    runner = runners.from_model(model, 0)
    metrics = evaluate(runner.run, holdout, "language-modeling", reference=None, batch=runner.batch, drift_samples=1,
                       runtime=runner.runtime, size_bytes=0)
    return float(metrics["metric"]["value"])


def main() -> int:
    """Print one line a recipe; a recipe is algorithms joined by `+`, then `,clip` for the clipping search.

    The exit code is 1 if a recipe with the clipping search does not beat the recipe `rtn`, where that is given too.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(TEXTS))
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--asymmetric", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, default=128, help="of the calibration text")
    parser.add_argument("--holdout", type=int, help="windows of the held-out text; all by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgewright-aq-") as parent:
        folder = Path(parent)
        spec = fetch(entry_of(options.model), folder, ROOT)

        def sample(part: str, windows: int | None, exclude: Sample | None = None) -> Sample:
            source = f"data/samples/{TEXTS[options.model]}_{part}.parquet"
            data = DataSource(source=source, columns={"text": "text"}, samples=windows, seed=options.seed)
            return draw(data, folder, spec, exclude=exclude, workspace=ROOT).sample

        holdout = sample("eval", options.holdout)
        calibration = sample("calib", options.windows, holdout)
        print(f"{'float':24} perplexity {perplexity(load(folder), holdout):.3f} of {len(holdout)} windows", flush=True)
        found: dict[str, tuple[float, float]] = {}
        for recipe in options.recipes:
            algorithms, _, clip = recipe.partition(",")
            entry = AqRecipe(
                algorithms=tuple(algorithms.split("+")),
                bits=options.bits,
                group=options.group,
                symmetric=not options.asymmetric,
                clip=clip == "clip",
            )
            model = load(folder)
            start = time.perf_counter()
            result = aq.quantize(model, calibration, entry)
            seconds = time.perf_counter() - start
            error = float(np.mean([row.output_mse / row.rtn_output_mse for row in result.layers]))
            quantized = perplexity(LoadedModel(result.module, spec, folder), holdout)
            found[recipe] = (quantized, error)
            print(f"{recipe:24} perplexity {quantized:.3f}  mean output error {error:.3f} of rtn  {seconds:.1f} s",
                  flush=True)
    rtn = found.get("rtn", (math.inf, math.inf))
    worse = [name for name, (figure, error) in found.items()
             if name.endswith(",clip") and not (figure < rtn[0] and error < rtn[1])]
    for name in worse:
        print(f"WRONG {name}: not better than rtn")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

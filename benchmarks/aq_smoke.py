"""Perplexity of a shipped language model after weight quantization, and the time that it took.

    python benchmarks/aq_smoke.py english_llama rtn awq awq,clip
    python benchmarks/aq_smoke.py stories260k_llama rtn awq --bits 3 --asymmetric

Calibration: 128 windows of 256 tokens drawn with a seed. Evaluation: every fourth window of 256 tokens of the
held-out text, each scored alone (protocol A of data/samples/models/README.md). Weights only; float activations.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn import functional

from edgewright import aq
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.models import huggingface
from edgewright.models.load import LoadedModel
from edgewright.models.spec import InputSpec, ModelSpec

ROOT = Path(__file__).resolve().parent.parent / "data" / "samples"
TEXTS = {"english_llama": "english", "stories260k_llama": "tinystories"}
WINDOW = 256


def windows(model: str, part: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Token ids [windows, 256] of a shipped text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models" / model)
    rows = pq.read_table(ROOT / f"{TEXTS[model]}_{part}.parquet")["text"].to_pylist()
    begin = tokenizer.bos_token_id
    ids: list[int] = []
    for row in rows:
        encoded = tokenizer(row, verbose=False)["input_ids"]
        ids += encoded if encoded[:1] == [begin] else [begin, *encoded]
    return np.array(ids[: len(ids) // WINDOW * WINDOW], dtype=np.int64).reshape(-1, WINDOW)


def perplexity(module: nn.Module, ids: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """exp of the mean negative log-likelihood of all tokens of a window but the first."""
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(ids), 16):
            batch = torch.from_numpy(ids[start : start + 16])
            logits = module(batch)[:, :-1].flatten(0, 1)
            total += float(functional.cross_entropy(logits, batch[:, 1:].flatten(), reduction="sum"))
            count += batch[:, 1:].numel()
    return float(np.exp(total / count))


def load(model: str) -> LoadedModel:
    """A shipped language model, straight from its folder."""
    folder = ROOT / "models" / model
    module = huggingface.load(folder, "language-modeling")
    spec = ModelSpec("huggingface", "language-modeling", (InputSpec("input_ids", (WINDOW,), "int64"),), 0, 0)
    return LoadedModel(module, spec, folder)


def main() -> None:
    """Print one line a recipe; a recipe is algorithms joined by `+`, then `,clip` for the clipping search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(TEXTS))
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--asymmetric", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, default=128)
    options = parser.parse_args()
    calibration = windows(options.model, "calib")
    order = np.random.default_rng(options.seed).permutation(len(calibration))[: options.windows]
    sample = Sample({"input_ids": calibration[order]})
    held_out = windows(options.model, "eval")[::4]
    print(f"{'float':24} perplexity {perplexity(load(options.model).module, held_out):.3f}", flush=True)
    for recipe in options.recipes:
        algorithms, _, clip = recipe.partition(",")
        entry = AqRecipe(
            algorithms=tuple(algorithms.split("+")),
            bits=options.bits,
            group=options.group,
            symmetric=not options.asymmetric,
            clip=clip == "clip",
        )
        model = load(options.model)
        start = time.perf_counter()
        result = aq.quantize(model, sample, entry)
        seconds = time.perf_counter() - start
        ratio = np.mean([row.output_mse / row.rtn_output_mse for row in result.layers])
        print(
            f"{recipe:24} perplexity {perplexity(result.module, held_out):.3f}  "
            f"mean output error {ratio:.3f} of rtn  {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Peak memory against the number of blocks: beyond the weights it must not grow.

    python -m benchmarks.aq.memory [--blocks 4 8 16 32] [--methods rtn gptq]

Random Llamas of one width go through each method in a process of their own, their weights mapped from the file and
finished blocks put back on disk, as the stage does it. What the process holds that is no file's (mapped weights can be
dropped by the system at any time) is looked at every 10 ms; the growth from the fewest blocks to the most must stay
below one block's weights. Exits with 1 if it does not.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.aq import models
from benchmarks.aq.cells import OURS
from benchmarks.aq.runs import work

SIZES = {"hidden_size": 512, "intermediate_size": 1536, "num_attention_heads": 8, "num_key_value_heads": 4}


def weights_bytes(folder: Path) -> int:
    """Size of a model's weights in its folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def growth(peaks: Mapping[int, int]) -> int:
    """Bytes by which the greatest peak of any number of blocks exceeds that of the fewest."""
    return max(peaks.values()) - peaks[min(peaks)]


def main() -> int:
    """Print a line a model; 1 if memory grows or a run fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--methods", nargs="+", default=["rtn", "gptq"])
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    tokens = models.random_tokens(options.home, 32, 128)
    wrong = 0
    for method in options.methods:
        peaks, sizes = {}, {}
        for blocks in sorted(options.blocks):
            folder = models.llama(options.home, f"deep-{blocks}", num_hidden_layers=blocks, **SIZES)
            result = _measure(method, folder, tokens, options.home)
            if "error" in result:
                print(f"{method} {blocks} blocks: FAILED {result['error']}")
                return 1
            peaks[blocks], sizes[blocks] = int(result["anonymous_bytes"]), weights_bytes(folder)
            peak = result["peak_bytes"] / 1e6
            print(f"{method:8} {blocks:3} blocks: weights {sizes[blocks] / 1e6:6.0f} MB, peak {peak:6.0f}"
                  f" MB, of no file {peaks[blocks] / 1e6:6.0f} MB, {result['seconds']:.1f} s", flush=True)
        few, many = min(sizes), max(sizes)
        block = (sizes[many] - sizes[few]) // max(many - few, 1)
        is_wrong = growth(peaks) >= block
        wrong += is_wrong
        print(f"{method:8} grows by {growth(peaks) / 1e6:.1f} MB from {few} blocks to {many}; a block's weights are"
              f" {block / 1e6:.1f} MB{': WRONG' if is_wrong else ''}", flush=True)
    return 1 if wrong else 0


def _measure(method: str, folder: Path, tokens: Path, home: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edgewright-aq-", dir=home) as out:
        settings = {
            "method": method, "model": str(folder.resolve()), "factory": "", "calibration": str(tokens.resolve()),
            "bits": 4, "group": 32, "symmetric": True, "seed": 0, "out": str(Path(out).resolve()), "threads": 2,
            "weights": False, "watch": True,
        }  # fmt: skip
        return work(Path(sys.executable), OURS, settings, 3600)


if __name__ == "__main__":
    sys.exit(main())

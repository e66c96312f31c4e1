"""Peak memory against the number of blocks: beyond the weights it must not grow.

    python -m benchmarks.aq.memory [--blocks 4 16 32] [--methods rtn gptq]

Random Llamas of one width go through each method in a process of their own, their weights mapped from the file and
finished blocks put back on disk, as the stage does it. What the process holds that is no file's (mapped weights can be
dropped by the system at any time) is looked at every 10 ms, twice:

- with an allocator that gives back what is freed (MALLOC_MMAP_THRESHOLD_), so that the peak is what is in use;
- with the allocator as it is, which is what a user has.

From the fewest blocks to the most it must grow by less than one block's weights. Exits with 1 if either does not hold.
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
ALLOCATORS: Mapping[str, Mapping[str, str]] = {"in use": {"MALLOC_MMAP_THRESHOLD_": "65536"}, "as it is": {}}


def weights_bytes(folder: Path) -> int:
    """Size of a model's weights in its folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def growth(peaks: Mapping[int, int]) -> int:
    """Bytes by which the greatest peak of any number of blocks exceeds that of the fewest."""
    return max(peaks.values()) - peaks[min(peaks)]


def allowed(sizes: Mapping[int, int]) -> float:
    """Bytes by which the peak may grow: one block's weights, given those of the model by number of blocks."""
    few, many = min(sizes), max(sizes)
    return (sizes[many] - sizes[few]) / max(many - few, 1)


def main() -> int:
    """Print a line a model; 1 if memory grows or a run fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="+", default=[4, 16, 32])
    parser.add_argument("--methods", nargs="+", default=["rtn", "gptq", "awq"])
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    tokens = models.random_tokens(options.home, 32, 128)
    wrong = 0
    for method in options.methods:
        for allocator, variables in ALLOCATORS.items():
            peaks, sizes = {}, {}
            for blocks in sorted(options.blocks):
                folder = models.llama(options.home, f"deep-{blocks}", num_hidden_layers=blocks, **SIZES)
                result = _measure(method, folder, tokens, options.home, variables)
                if "error" in result:
                    print(f"{method} {blocks} blocks: FAILED {result['error']}")
                    return 1
                peaks[blocks], sizes[blocks] = int(result["anonymous_bytes"]), weights_bytes(folder)
                print(f"{method:5} {allocator:9} {blocks:3} blocks: weights {sizes[blocks] / 1e6:4.0f} MB, peak of no"
                      f" file {peaks[blocks] / 1e6:4.0f} MB, {result['cpu_seconds']:.1f} cpu s", flush=True)
            grown, most = growth(peaks), allowed(sizes)
            wrong += grown >= most
            print(f"{method:5} {allocator:9} grows by {grown / 1e6:.1f} MB from {min(peaks)} blocks to {max(peaks)};"
                  f" less than {most / 1e6:.1f} MB is allowed{': WRONG' if grown >= most else ''}", flush=True)
    return 1 if wrong else 0


def _measure(method: str, folder: Path, tokens: Path, home: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="edgewright-aq-", dir=home) as out:
        settings = {
            "method": method, "model": str(folder.resolve()), "factory": "", "calibration": str(tokens.resolve()),
            "bits": 4, "group": 32, "symmetric": True, "seed": 0, "out": str(Path(out).resolve()), "threads": 2,
            "weights": False, "watch": True,
        }  # fmt: skip
        return work(Path(sys.executable), OURS, settings, 3600, variables)


if __name__ == "__main__":
    sys.exit(main())

"""One decoder block of a 1B-class Llama through every method, and what larger models would take.

    python -m benchmarks.aq.block [--only gptq] [--side ours]

2048 hidden, 8192 feed-forward, 32 heads, 8 key-value heads, random weights; 4 bits in groups of 128, asymmetric; 16
samples of 512 tokens. AutoRound runs few iterations on both sides and its time at 200 is extrapolated from two
counts. The forecast scales the seconds of a block by what dominates its method, see `WORK`.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aq import environments, models, timing
from benchmarks.aq.cells import OURS, Method, ours
from benchmarks.aq.runs import work
from edgewright.files import write_json


@dataclass(frozen=True)
class Size:
    """A model: its name, blocks, hidden and feed-forward width, and columns of keys and of values."""

    name: str
    blocks: int
    hidden: int
    mlp: int
    keys: int

    @property
    def linears(self) -> list[tuple[int, int]]:
        """Rows and columns of a block's linears."""
        attention = [(self.hidden, self.hidden), (self.keys, self.hidden), (self.keys, self.hidden)]
        return [*attention, (self.hidden, self.hidden), *[(self.mlp, self.hidden)] * 2, (self.hidden, self.mlp)]

    @property
    def parameters(self) -> int:
        """Of a block."""
        return sum(rows * columns for rows, columns in self.linears)

    @property
    def cubes(self) -> int:
        """Columns cubed and rows times columns squared: to factor a Hessian and to round with it."""
        return sum(columns**3 + rows * columns**2 for rows, columns in self.linears)


BASE = Size("1B block", 1, 2048, 8192, 512)
SIZES = (Size("1B", 16, 2048, 8192, 512), Size("8B", 32, 4096, 14336, 1024), Size("30B", 60, 6656, 17920, 6656))
WORK = {"gptq": "columns cubed + rows x columns squared (factoring a Hessian, rounding with it)"}
"""What the time of a block grows with; parameters where nothing stands here, as forward and backward passes do."""
ITERATIONS = 200
COUNTS = {"auto-round": (2, 5), OURS: (4, 7)}
"""Iterations that the time of an iteration is taken from: at both of ours the whole sample is looked at three times."""
REFERENCES = (
    Method("torchao", "rtn", "rtn"), Method("hqq", "hqq", "hqq"), Method("llmcompressor", "rtn", "rtn"),
    Method("gptqmodel", "gptq", "gptq"), Method("llmcompressor", "gptq", "gptq"),
    Method("auto-round", "autoround@2", "autoround"), Method("auto-round", "autoround@5", "autoround"),
    Method("llmcompressor", "awq", "awq"),
)
_OURS = (
    "rtn", "hqq", "gptq", "awq", "awq,clip", "awq+gptq", "smoothquant+gptq", "quarot+gptq", "autoround@4",
    "autoround@7",
)  # fmt: skip


def forecast(seconds: float, family: str, size: Size) -> float:
    """Seconds for all blocks of a model, from those of the base block."""
    by_cubes = any(name in family for name in WORK)
    ratio = size.cubes / BASE.cubes if by_cubes else size.parameters / BASE.parameters
    return seconds * ratio * size.blocks


def extrapolated(few: tuple[int, float], more: tuple[int, float], iterations: int = ITERATIONS) -> float:
    """Seconds at a number of iterations from those at two others."""
    step = (more[1] - few[1]) / (more[0] - few[0])
    return more[1] + step * (iterations - more[0])


def main() -> int:
    """Print the table and the forecast; every result is kept under its method's name and overwritten when run again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    parser.add_argument("--only", default="", help="methods whose line holds the text")
    parser.add_argument("--side", choices=("ours", "theirs", "both"), default="both")
    parser.add_argument("--again", action="store_true", help="measure anew what is kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds that a method may take")
    options = parser.parse_args()
    sizes = {"hidden_size": BASE.hidden, "intermediate_size": BASE.mlp, "num_attention_heads": 32,
             "num_key_value_heads": 8, "num_hidden_layers": 1}
    folder = models.llama(options.home, "block-1b", **sizes)
    tokens = models.random_tokens(options.home, 16, 512)
    found: dict[Method, dict[str, Any]] = {}
    for method in (*REFERENCES, *ours(_OURS)):
        is_side = options.side == "both" or (method.package == OURS) == (options.side == "ours")
        if not is_side or options.only not in method.label:
            continue
        kept = options.home / "block" / f"{method.label.replace(' ', '-')}.json"
        if options.again or not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(kept, _measure(method, folder, tokens, options))
        found[method] = json.loads(kept.read_text())
        print(_line(method, found[method]), flush=True)
    print(f"\nForecast in hours, from seconds of a block ({BASE.parameters / 1e6:.0f} million parameters), the same"
          " samples; time grows with the parameters, that of gptq with", WORK["gptq"])
    print("  for", ", ".join(f"{size.name}: {size.blocks} blocks of {size.hidden} and {size.mlp}" for size in SIZES))
    for label, family, seconds in _totals(found):
        hours = "  ".join(f"{size.name} {forecast(seconds, family, size) / 3600:7.2f}" for size in SIZES)
        print(f"{label:34} {seconds:8.1f} s   {hours}")
    return 0


def _totals(found: dict[Method, dict[str, Any]]) -> list[tuple[str, str, float]]:
    good = {method.label: (method, result) for method, result in found.items() if "error" not in result}
    rows = [(label, method.family, float(result["seconds"])) for label, (method, result) in good.items()
            if "@" not in label]
    for package, (few, more) in COUNTS.items():
        pair = [good.get(f"{package} autoround@{count}") for count in (few, more)]
        if pair[0] and pair[1]:
            seconds = extrapolated((few, float(pair[0][1]["seconds"])), (more, float(pair[1][1]["seconds"])))
            rows.append((f"{package} autoround, {ITERATIONS} from {few} and {more}", "autoround", seconds))
    return rows


def _measure(method: Method, folder: Path, tokens: Path, options: argparse.Namespace) -> dict[str, Any]:
    interpreter = environments.python(method.package, options.home)
    with tempfile.TemporaryDirectory(prefix="edgewright-aq-", dir=options.home) as out:
        settings = {
            "method": method.name, "model": str(folder.resolve()), "factory": "", "bits": 4, "group": 128,
            "calibration": str(tokens.resolve()), "symmetric": False, "seed": 0, "out": str(Path(out).resolve()),
            "threads": options.threads, "weights": False,
        }  # fmt: skip
        return work(interpreter, method.package, settings, options.limit)


def _line(method: Method, result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{method.label:34} FAILED {result['error']}"
    busy = "" if timing.is_valid(result) else "  busy"
    more = (result["peak_bytes"] - result["loaded_bytes"]) / 1e6
    return (f"{method.label:34} {result['seconds']:8.1f} s {result['cpu_seconds']:8.1f} cpu s"
            f" {result['peak_bytes'] / 1e6:6.0f} MB, {more:6.0f} more than before{busy}")


if __name__ == "__main__":
    sys.exit(main())

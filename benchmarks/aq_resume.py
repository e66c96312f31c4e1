"""kill -9 in the middle of weight quantization: it goes on at the block where it was, and ends with equal bytes.

    python -m benchmarks.aq_resume [--methods gptq awq+gptq] [--model english] [--block 2]

For each method: one run undisturbed, one that is killed at a layer of a block, and one that follows it on the same
folder. The folder of results of the last must equal the first's byte for byte, and it must not have quantized any
layer of the blocks before the one that was killed. Exits with 1 if either is not so.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.aq.models import SOURCES
from edgewright import aq
from edgewright.config import AqRecipe, DataSource
from edgewright.datasets import Sample, draw
from edgewright.files import sha256_tree
from edgewright.models.load import fetch, load
from tests.support import ROOT, entry_of

_WINDOWS = 32


def block_of(line: str) -> int | None:
    """The block whose layer a line of progress names, or None: `7 model.layers.1.mlp.up_proj`."""
    found = re.fullmatch(r"\d+ .*\.layers\.(\d+)\..+", line.strip())
    return None if found is None else int(found[1])


def judge(lines: Sequence[str], block: int) -> list[str]:
    """What is wrong with the progress of a run that goes on at `block`."""
    before = sorted({found for line in lines if (found := block_of(line)) is not None and found < block})
    missing = not any(block_of(line) == block for line in lines)
    return [f"quantized block {number} again" for number in before] + ["did not quantize its block"] * missing


def _work(folder: Path, method: str, resume: Path, out: Path) -> None:
    """In a process of its own: quantize, a line of progress a layer."""
    recipe = AqRecipe(algorithms=tuple(method.split("+")), bits=4, group=32)
    sample = Sample.load(folder / "sample.parquet")
    result = aq.quantize(load(folder / "model", ROOT, dtype="stored"), sample, recipe, resume=resume,
                         progress=lambda done, _, name: print(done, name, flush=True))
    aq.save(result, folder / "model", out)


def _run(folder: Path, method: str, name: str, resume: str, block: int | None = None) -> list[str]:
    """Start it, and end it with SIGKILL at the second layer of `block`; its lines."""
    command = [sys.executable, "-m", "benchmarks.aq_resume", "--work", str(folder), "--methods", method,
               "--resume", resume, "--out", name]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if block is not None and sum(block_of(item) == block for item in lines) == 2:
                process.kill()
                break
    if block is None and process.returncode:
        sys.exit(f"{method}: exit code {process.returncode}")
    return lines


def main() -> int:
    """Run the benchmark; 1 where a run that was killed is not what one that was not is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("english", "stories260k"), default="english")
    parser.add_argument("--methods", nargs="+", default=["gptq", "awq+gptq"])
    parser.add_argument("--block", type=int, default=2, help="at which it is killed, from 0")
    for hidden in ("--work", "--resume", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        folder = Path(options.work)
        _work(folder, options.methods[0], folder / options.resume, folder / options.out)
        return 0
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="edgewright-resume-") as parent:
        folder = Path(parent)
        (folder / "model").mkdir()
        shipped = SOURCES[options.model]
        spec = fetch(entry_of(shipped.folder), folder / "model", ROOT)
        source = f"data/samples/{shipped.data}_calib.parquet"
        data = DataSource(source=source, columns={"text": "text"}, samples=_WINDOWS)
        draw(data, folder / "model", spec, workspace=ROOT).sample.save(folder / "sample.parquet")
        for number, method in enumerate(options.methods):
            _run(folder, method, f"whole-{number}", f"resume-whole-{number}")
            killed = _run(folder, method, f"killed-{number}", f"resume-{number}", options.block)
            lines = _run(folder, method, f"killed-{number}", f"resume-{number}")
            reasons = judge(lines, options.block)
            if sha256_tree(folder / f"whole-{number}") != sha256_tree(folder / f"killed-{number}"):
                reasons.append("other bytes than undisturbed")
            before, after = (sum(block_of(line) is not None for line in part) for part in (killed, lines))
            print(f"{method}: killed after {before} layers, {after} quantized after that:"
                  f" {'; '.join(reasons) or 'equal bytes, nothing quantized twice'}", flush=True)
            wrong += bool(reasons)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

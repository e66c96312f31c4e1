"""Run a cell in a process of its own, score its weights, and keep the result until one of its inputs changes."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.aq import environments, models
from benchmarks.aq.cells import OURS, Cell, Method
from benchmarks.aq.evaluation import score
from edgewright import registry
from edgewright.aq.algorithms import ROUNDERS, TRANSFORMS, split
from edgewright.files import write_json
from tests.support import ROOT

_WORKERS = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class Bench:
    """How cells are run.

    The number of threads decides no weights, so that it is not in the name of a result.

    Attributes:
        home: where environments, models and results lie.
        every: of the evaluation sample every n-th row is scored.
        threads: that a worker may use.
        limit: seconds after which a worker is ended.
    """

    home: Path
    every: int = 4
    threads: int = 2
    limit: int = 7200

    def path(self, cell: Cell) -> Path:
        """Where the result of a cell is kept: a name that everything which decides it goes into."""
        inputs = (
            models.prepare(cell.model, self.home) / "model.safetensors",
            models.calibration(cell.model, self.home, cell.seed),
        )
        content = {"cell": asdict(cell), "every": self.every, "code": _code(cell.method), "inputs": _digest(inputs)}
        name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return self.home / "cells" / f"{name}.json"

    def known(self, cell: Cell) -> dict[str, Any] | None:
        """The kept result of a cell, or None."""
        path = self.path(cell)
        return json.loads(path.read_text()) if path.is_file() else None

    def float_path(self, model: str) -> Path:
        """Where the score of a float model is kept."""
        return self.home / "cells" / f"float-{model}-{self.every}.json"

    def float_score(self, model: str) -> None:
        """Score a float model, once."""
        if not self.float_path(model).is_file():
            write_json(self.float_path(model), score(model, self.home, self.every))

    def run(self, cell: Cell) -> dict[str, Any]:
        """Measure a cell and keep the result; of a worker that fails, the last line that it said."""
        path = self.path(cell)
        interpreter = environments.python(cell.method.package, self.home)
        folder = models.prepare(cell.model, self.home)
        with tempfile.TemporaryDirectory(prefix="edgewright-aq-", dir=self.home) as out:
            settings = {
                "method": cell.method.name, "model": str(folder.resolve()), "factory": models.factory(cell.model),
                "calibration": str(models.calibration(cell.model, self.home, cell.seed).resolve()),
                "bits": cell.bits, "group": cell.group, "symmetric": cell.symmetric, "seed": cell.seed,
                "out": str(Path(out).resolve()), "threads": self.threads,
            }  # fmt: skip
            result = work(interpreter, cell.method.package, settings, self.limit)
            if "error" not in result:
                try:
                    result |= score(cell.model, self.home, self.every, Path(out) / "weights.safetensors")
                except Exception as error:  # weights that cannot be scored are a failure of the cell alone
                    result["error"] = f"not scored: {error}"
        result |= {"cell": asdict(cell), "threads": self.threads}
        write_json(path, result)
        return result


def work(
    interpreter: Path, package: str, settings: dict[str, Any], limit: float, extra: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run the worker of a package, with `extra` environment variables: what it used, or `error`."""
    out = Path(settings["out"])
    (out / "settings.json").write_text(json.dumps(settings))
    worker = package.replace("-", "_")
    command = [str(interpreter), "-m", f"benchmarks.aq.workers.{worker}", str(out / "settings.json")]
    variables = environments.variables(settings["threads"]) | dict(extra or {})
    with (out / "log").open("wb") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT,
                                  timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {limit:.0f} s"}
    lines = [line for line in (out / "log").read_text(errors="replace").splitlines() if line.strip()]
    if code or not (out / "result.json").is_file():
        print("\n".join(lines[-12:]), file=sys.stderr)
        return {"error": (lines[-1] if lines else f"exit code {code}")[:300]}
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def _code(method: Method) -> list[str]:
    """Digest of what computes a method: of ours the package without the algorithms that it does not use."""
    files = [_WORKERS / f"{method.package.replace('-', '_')}.py"]
    if method.package != OURS:
        return [environments.PACKAGES.get(method.package, "of the project"), _digest(tuple(files))]
    package = ROOT / "edgewright"
    names = [step.partition("@")[0] for step in method.name.partition(",")[0].split("+")]
    transforms, rounder = split(names)
    used = {*transforms, rounder, "rtn"}
    for home in (TRANSFORMS, ROUNDERS):
        folder = ROOT / home.replace(".", "/")
        others = {name.replace("-", "_") for name in registry.names(home) if name not in used}
        files += [file for file in folder.rglob("*.py") if file.stem not in others]
    files += [*(package / "aq").glob("*.py"), *(package / "rounding").rglob("*.py")]
    return [_digest(tuple(files))]


def _digest(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]

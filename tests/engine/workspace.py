"""A real DVC workspace whose stages are tiny, so that the engine itself is what is tested."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewright.engine import plan, scheduler
from edgewright.engine.state import Event, Outcome, State
from edgewright.engine.workspace import STAGES, Workspace
from tests.support import search_path

REPOSITORY = Path(__file__).parents[2]

BODY = '''
"""A stage that hashes what it reads, and obeys `options: {test: ...}` of its recipe."""

import time

from edgewright.engine import stage
from edgewright.errors import InputError
from edgewright.files import sha256_tree, write_json


def note(context: stage.Context, what: str) -> None:
    with (context.workspace.root / "ran.log").open("a") as log:
        log.write(f"{what} {context.name} {time.monotonic()}\\n")


def run(context: stage.Context) -> None:
    note(context, "start")
    recipe = context.item.get("recipe")
    options = context.params.aq[recipe].options.get("test", {}) if recipe else {}
    steps = int(options.get("steps", 1))
    show = context.progress()
    value = {"inputs": {name: sha256_tree(path) for name, path in context.inputs.items()}}
    if recipe:
        value["bits"] = context.params.aq[recipe].bits
    for step in range(steps):
        show(step, steps, "layer")
        (context.out / f"part{step}.bin").write_bytes(bytes([step]) * 200_000)
        time.sleep(options.get("sleep", 0.0))
    if "fail" in options:
        raise InputError(f"{context.name}: column 'x' has 3 nulls")
    if "crash" in options:
        raise ZeroDivisionError("a bug")
    if context.stage == "report":
        (context.out / "plots").mkdir()
        for name in ("report.json", "report.html", "summary.json", "plots/front.json"):
            write_json(context.out / name, [{"size": 1}])
    else:
        write_json(context.out / "artifact.json", value)
    note(context, "end")


if __name__ == "__main__":
    stage.main("NAME", run)
'''

PARAMS: dict[str, Any] = {
    "models": {
        name: {"task": "regression", "source": f"sources/{name}", "calibration": "calib", "holdout": "test"}
        for name in ("alpha", "beta")
    },
    "data": {
        "calib": {"source": "sources/calib.csv", "columns": {"input": "x"}},
        "test": {"source": "sources/test.csv", "columns": {"input": "x"}},
    },
    "aq": {"none": {}, "plain": {"algorithms": ["rtn"], "bits": 8}, "awq": {"algorithms": ["awq"], "bits": 4}},
    "gq": {"none": {}, "w8a8": {"weights": {"bits": 8}, "activations": {"bits": 8}}},
    "variants": [{"model": "alpha", "aq": "plain", "gq": "w8a8", "target": "xnnpack"}],
    "evaluate": {},
    "profile": {},
}


@dataclass
class Tiny:
    """A workspace and what happened in it."""

    workspace: Workspace
    events: list[Event] = field(default_factory=list)
    first: Outcome = field(default_factory=Outcome)
    first_events: list[Event] = field(default_factory=list)
    first_ran: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.workspace.root

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change params.yaml and plan again."""
        values = yaml.safe_load(self.workspace.params_file.read_text())
        change(values)
        self.workspace.params_file.write_text(yaml.safe_dump(values, sort_keys=False))
        plan.write(self.workspace)

    def run(self, **options: Any) -> Outcome:
        return scheduler.run(self.workspace, on_event=self.events.append, **options)

    def states(self, outcome: Outcome, *, without: tuple[State, ...] = ()) -> dict[str, State]:
        return {name: result.state for name, result in outcome.results.items() if result.state not in without}

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=self.root, text=True, capture_output=True, check=check
        )

    def digests(self) -> Mapping[str, str]:
        """sha256 of every artifact."""
        from edgewright.files import sha256_tree

        folders = [path for stage in STAGES for path in (self.root / "data" / stage).glob("*")]
        return {str(path.relative_to(self.root)): sha256_tree(path) for path in sorted(folders)}

    def ran(self) -> list[str]:
        """Instances whose stage code started, since the last call."""
        log = self.root / "ran.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(line.split()[1] for line in lines if line.startswith("start"))


def make(root: Path) -> Tiny:
    """A planned workspace in `root`."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(REPOSITORY / ".dvc" / name, root / ".dvc" / name)
    (root / "stages").mkdir()
    (root / "stages" / "__init__.py").touch()
    for stage in (*STAGES, "report"):
        (root / "stages" / f"{stage}.py").write_text(BODY.replace("NAME", stage))
    for model in PARAMS["models"]:
        (root / "sources" / model).mkdir(parents=True)
        (root / "sources" / model / "weights.bin").write_text(model)
    for data in PARAMS["data"]:
        (root / "sources" / f"{data}.csv").write_text("x\n1\n")
    (root / "params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(PARAMS)), sort_keys=False))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    tiny = Tiny(Workspace(root))
    plan.write(tiny.workspace)
    return tiny


def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage process needs to find this repository's edgewright and this environment's python."""
    monkeypatch.setenv("PATH", search_path())
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


def wait_for(path: Path) -> str:
    """The content of a file, once it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.02)
    raise TimeoutError(path)


def is_gone(pid: int) -> bool:
    """Whether a process ends within seconds; a zombie counts as ended."""
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not status.exists() or status.read_text().rpartition(") ")[2][0] in "ZX":
            return True
        time.sleep(0.02)
    return False

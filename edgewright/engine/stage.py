"""What every stage process does around its work: fixed environment, atomic publication, marker, one-line errors."""

import hashlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright import progress
from edgewright.config import Params
from edgewright.engine import leftovers, marker
from edgewright.engine.workspace import Workspace, instance
from edgewright.errors import ConfigError, EdgewrightError, nearest
from edgewright.files import read_json, sha256_tree
from edgewright.processes import die_with_parent

ENVIRONMENT: Mapping[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "DO_NOT_TRACK"), "1"
) | {
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "PYTHONWARNINGS": "ignore",
}
"""What decides bytes (threads, hash seed) and telemetry, set before a stage runs."""

_INPUTS = {
    "model": "model", "holdout": "holdout", "calibration": "calibration", "aq": "aq", "ir": "ir",
    "go": "go", "gq": "gq", "compile": "compile", "float": "compile",
}
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Context:
    """What the body of a stage works with.

    Attributes:
        stage: name of the stage.
        key: its instance; None for the report.
        workspace: the workspace.
        params: the configuration.
        plan: the value of plan.json.
        out: empty temporary folder; its content is published as the artifact once the body returns.
    """

    stage: str
    key: str | None
    workspace: Workspace
    params: Params
    plan: Mapping[str, Any]
    out: Path

    @property
    def name(self) -> str:
        """Name of the instance, `aq@KEY`."""
        return instance(self.stage, self.key)

    @property
    def item(self) -> Mapping[str, str]:
        """The instance's entry in plan.json; empty for the report."""
        return self.plan[self.stage][self.key] if self.key else {}

    @property
    def inputs(self) -> Mapping[str, Path]:
        """Folders of the artifacts that the instance reads, by the field of its entry that names them."""
        found = {
            field: self.workspace.artifact(stage, self.item[field])
            for field, stage in _INPUTS.items() if field in self.item
        }
        if "artifact" in self.item:
            found["artifact"] = self.workspace.artifact(self.item["stage"], self.item["artifact"])
        return found

    @property
    def resume(self) -> Path:
        """Folder for the finished parts of a long stage, kept when the stage is killed and removed when it is done.

        Its name holds a digest of the files, the parameters and the code that the stage depends on; what the same
        instance left under another digest is removed.
        """
        recipe, scheme = self.item.get("recipe"), self.item.get("scheme")
        state = {
            "inputs": {field: sha256_tree(path) for field, path in self.inputs.items()},
            "params": [
                self.params.aq[recipe].model_dump(mode="json", exclude={"checkpoint"}) if recipe else None,
                self.params.gq[scheme].model_dump(mode="json") if scheme else None,
            ],
            "code": [read_json(self.workspace.code_file).get(part) for part in (self.stage, "factory")],
        }
        digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]
        folder = _resumed(self.workspace, self.name)
        for other in folder.glob("*"):
            if other.name != digest:
                shutil.rmtree(other)
        return folder / digest

    def progress(self, label: str = "") -> progress.Progress:
        """A progress that prints `aq@KEY: label 3/12 scope, 14 s left` to standard error."""
        return progress.printed(f"{self.name}: {label}".rstrip())


def main(name: str, run: Callable[[Context], None]) -> None:
    """Run a stage as a process: `python -m stages.NAME KEY`; exits, never returns.

    The artifact appears whole or not at all, the process dies with its parent, and an EdgewrightError
    ends as one line on standard error and its exit code.
    """
    die_with_parent()
    _fix_environment()
    sys.exit(_run(name, run))


def _run(name: str, run: Callable[[Context], None]) -> int:
    key = sys.argv[1] if len(sys.argv) > 1 else None
    title = instance(name, key)

    marker.write("started")
    try:
        _publish(name, key, run)
    except EdgewrightError as error:
        marker.write("failed", exit_code=error.exit_code, message=str(error))
        print(f"{title}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        marker.write("failed", exit_code=_INTERRUPTED, message="interrupted")
        return _INTERRUPTED
    except BaseException as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        marker.write("failed", exit_code=1, message=message)
        return 1
    marker.write("completed", exit_code=0)
    return 0


def _publish(name: str, key: str | None, run: Callable[[Context], None]) -> None:
    workspace = Workspace(Path.cwd())
    plan = workspace.plan()
    if key is not None and key not in plan[name]:
        raise ConfigError(f"plan.json: {name}: no instance '{key}'{nearest(key, plan[name])}")
    target = workspace.artifact(name, key) if key else workspace.root / "reports"
    leftovers.sweep(target.parent, target.name)
    out = leftovers.partial(target)
    out.mkdir(parents=True)
    try:
        run(Context(name, key, workspace, workspace.params(), plan, out))
        if not any(out.iterdir()):
            raise RuntimeError(f"the stage {name} wrote nothing into context.out")
        for source, goal in [(out, target)] if key else [(item, target / item.name) for item in sorted(out.iterdir())]:
            _replace(source, goal)
        shutil.rmtree(_resumed(workspace, instance(name, key)), ignore_errors=True)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _resumed(workspace: Workspace, name: str) -> Path:
    return workspace.root / ".edgewright" / "resume" / name


def _replace(source: Path, target: Path) -> None:
    """`os.replace` needs an absent folder, so what is there goes first; a kill in between leaves nothing."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _fix_environment() -> None:
    """Threads and the hash seed are read at the start of a process, so a wrong one needs a new start."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ENVIRONMENT})

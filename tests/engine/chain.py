"""A DVC workspace of three cheap stages, for what needs a lock and a run-cache but not the pipeline."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from edgewright.engine.workspace import STAGES, Workspace

KEYS = {"model": "alpha", "aq": "alpha--plain", "compile": "alpha--plain--xnnpack"}
_MAKE = '''
import hashlib, json, pathlib, sys, yaml
stage, key, *reads = sys.argv[1:]
value = {"stage": stage, "reads": [pathlib.Path(path).read_text() for path in reads]}
if stage == "aq":
    value["bits"] = yaml.safe_load(open("params.yaml"))["aq"]["plain"]["bits"]
folder = pathlib.Path("data", stage, key)
folder.mkdir(parents=True)
(folder / "artifact.json").write_text(json.dumps(value))
(folder / "sub").mkdir()
(folder / "sub" / "same").write_text("in every artifact")
if stage == "compile":
    sha256 = hashlib.sha256((folder / "artifact.json").read_bytes()).hexdigest()
    manifest = {"artifact": "artifact.json", "sha256": sha256, "versions": {"tool": "1.2"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
with open("ran.log", "a") as log:
    print(stage, file=log)
'''


def make(root: Path) -> Workspace:
    """Write, run and commit the workspace in `root`."""
    root.mkdir(parents=True, exist_ok=True)
    stages = {}
    above = "source.txt"
    for stage, key in KEYS.items():
        path = f"data/{stage}/{key}"
        file = above if above == "source.txt" else f"{above}/artifact.json"
        stages[stage] = {"foreach": [key], "do": {
            "cmd": f"python make.py {stage} ${{item}} {file}", "deps": [above], "outs": [path],
            **({"params": ["aq.plain"]} if stage == "aq" else {}),
        }}
        above = path
    (root / "make.py").write_text(_MAKE)
    (root / "source.txt").write_text("weights")
    (root / "params.yaml").write_text("aq:\n  plain: {bits: 8}\n")
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    write_plan(root, **KEYS)
    (root / ".gitignore").write_text("ran.log\n/data\n/.edgewright\n")
    shell(root, "git init -q && dvc init -q && dvc config core.analytics false")
    repro(root)
    commit(root)
    return Workspace(root)


def write_plan(root: Path, **keys: str) -> None:
    """A plan that has one instance of each stage given, and nothing else."""
    value = {stage: {keys[stage]: {}} if stage in keys else {} for stage in STAGES}
    (root / "plan.json").write_text(json.dumps({"plan": value}))


def repro(root: Path) -> list[str]:
    """`dvc repro`; the stages that ran."""
    log = root / "ran.log"
    log.unlink(missing_ok=True)
    shell(root, f"{sys.executable} -m dvc repro -q")
    return log.read_text().split() if log.exists() else []


def set_bits(root: Path, bits: int) -> None:
    """Change the only parameter."""
    (root / "params.yaml").write_text(f"aq:\n  plain: {{bits: {bits}}}\n")


def commit(root: Path) -> None:
    """Commit everything that git does not ignore."""
    shell(root, "git add -A && git -c user.name=a -c user.email=a@b commit -qm state")


def shell(folder: Path, command: str) -> str:
    """Output of a shell command."""
    done = subprocess.run(command, shell=True, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()

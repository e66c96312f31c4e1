"""Workspaces that the benchmarks build and throw away."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
HOME = Path(tempfile.gettempdir()) / "edgewright-bench"
"""Where workspaces lie that stay for the next run; not in this repository, since DVC leaves out what git ignores."""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with the virtual environment's commands first, and `changes`."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **changes}


def make(folder: Path, *, with_cache: bool = False) -> Path:
    """A workspace with the embedded models and samples in a fresh `folder`.

    `with_cache` brings this checkout's DVC cache along, for a benchmark that is not about the first run.
    """
    shutil.rmtree(folder, ignore_errors=True)
    call(["edgewright", "init", str(folder), "--sample"], folder.parent)
    cache = ROOT / ".dvc/cache"
    if with_cache and cache.is_dir():
        shutil.copytree(cache, folder / ".dvc/cache", dirs_exist_ok=True)
    return folder


def call(command: list[str], folder: Path, *, show: bool = False, check: bool = True, **changes: str) -> str:
    """Run a command in `folder`; its standard output, which `show` prints as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.Popen(command, cwd=folder, env=environment(**changes), text=True, stdout=subprocess.PIPE)
    lines = []
    assert done.stdout is not None
    for line in done.stdout:
        lines.append(line)
        if show:
            print(line, end="", flush=True)
    if done.wait() and check:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{''.join(lines)}")
    return "".join(lines)


def run(folder: Path, *arguments: str, show: bool = False, check: bool = True, **changes: str) -> dict[str, list[str]]:
    """`edgewright run` in `folder`; its stage instances by state."""
    start = time.monotonic()
    call(["edgewright", "run", *arguments], folder, show=show, check=check, **changes)
    states: dict[str, list[str]] = {}
    for name, stage in json.loads((folder / "reports/run.json").read_text())["stages"].items():
        states.setdefault(stage["state"], []).append(name)
    states["seconds"] = [f"{time.monotonic() - start:.0f}"]
    return states


def digests(folder: Path, *, skip: tuple[str, ...] = ("samples", "profile")) -> Mapping[str, str]:
    """sha256 of each file of each artifact; latency profiles are measurements and left out."""
    found = {}
    for path in sorted((folder / "data").rglob("*")):
        relative = path.relative_to(folder / "data")
        if path.is_file() and relative.parts[0] not in skip and not path.name.startswith("."):
            found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

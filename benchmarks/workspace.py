"""Workspaces that the benchmarks build and throw away."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from edgewright.engine import run_record
from edgewright.engine.workspace import Workspace
from edgewright.files import sha256_file
from tests.support import ROOT, search_path

HOME = Path(tempfile.gettempdir()) / "edgewright-bench"
"""Where workspaces lie that stay for the next run; not in this repository, since DVC leaves out what git ignores."""


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


def replaced(text: str, old: str, new: str) -> str:
    """`text` with the first `old` made `new`; ends the benchmark where that changes nothing."""
    changed = text.replace(old, new, 1)
    if changed == text:
        sys.exit(f"params.yaml: nothing to change from {old!r} to {new!r}")
    return changed


def call(
    command: list[str],
    folder: Path,
    *,
    show: bool = False,
    codes: Collection[int] = (0,),
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a command in `folder`; its standard output. Another exit code than `codes` ends the benchmark.

    Args:
        command: found among the virtual environment's commands first.
        folder: made if absent.
        show: print the output as it comes.
        codes: exit codes that are right.
        variables: set on top of this process's environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": search_path(), **(variables or {})}
    done = subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE)
    lines = []
    assert done.stdout is not None
    for line in done.stdout:
        lines.append(line)
        if show:
            print(line, end="", flush=True)
    if done.wait() not in codes:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{''.join(lines)}")
    return "".join(lines)


def run(
    folder: Path,
    *arguments: str,
    codes: Collection[int] = (0,),
    variables: Mapping[str, str] | None = None,
) -> tuple[dict[str, list[str]], float]:
    """`edgewright run` in `folder`; the names of its stage instances by state, and the seconds that it took."""
    start = time.monotonic()
    call(["edgewright", "run", *arguments], folder, codes=codes, variables=variables)
    seconds = time.monotonic() - start
    states: dict[str, list[str]] = {}
    for name, stage in run_record.read(Workspace(folder)).items():
        states.setdefault(stage["state"], []).append(name)
    return states, seconds


def digests(folder: Path, *, skip: tuple[str, ...] = ("samples", "profile")) -> Mapping[str, str]:
    """sha256 of each file of each artifact; latency profiles are measurements and left out."""
    found = {}
    for path in sorted((folder / "data").rglob("*")):
        relative = path.relative_to(folder / "data")
        if path.is_file() and relative.parts[0] not in skip and not path.name.startswith("."):
            found[relative.as_posix()] = sha256_file(path)
    return found


def different(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Files of two `digests` that one of them lacks, or that have other bytes in each."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))

"""kill -9 at random moments of a cold run, and again of the run that follows; nothing half-written may count as done.

    python -m benchmarks.kills [WORKSPACE] [--kills 20] [--seconds 20] [--seed 0]

The workspace is brought up to date and its artifacts are the reference. A copy without artifacts and cache is
then run and killed; after each kill every artifact that DVC takes for done must equal the reference. After a kill
that left no more done than the one before, the next may come later, so that long stages end too; a copy whose run
ended before its kill must equal the reference whole, and is made cold again. At the end the copy runs undisturbed
and must equal it. Profiles and the report hold measurements and are left out.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgewright.engine import plan, recovery, scheduler
from edgewright.engine.preview import preview
from edgewright.engine.workspace import STAGES, Workspace
from edgewright.files import sha256_tree

MEASURED = ("profile",)
LATER = 1.25
RUN = (
    "from pathlib import Path; from edgewright.engine import scheduler, workspace; "
    "tell = lambda event: print(event.kind, event.name, flush=True); "
    "raise SystemExit(scheduler.run(workspace.Workspace(Path.cwd()), on_event=tell).exit_code)"
)
"""A program that runs the workspace of the current folder and prints each event."""


def main() -> int:
    """Run the benchmark; 0 if every kill was survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workspace", nargs="?", type=Path, default=Path.cwd())
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="the first kill comes within so many of a start")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    workspace = Workspace.find(options.workspace)
    plan.write(workspace)
    if failed := scheduler.run(workspace).failed:
        print(f"the reference run failed: {failed[0].name}: {failed[0].message}")
        return 1
    reference = artifacts(workspace)
    with tempfile.TemporaryDirectory(prefix="edgewright-kills-") as folder:
        copy = cold_copy(workspace, Path(folder) / "workspace")
        moments, latest = random.Random(options.seed), options.seconds
        kills, before = 0, 0
        survived: set[str] = set()
        while kills < options.kills:
            moment = moments.uniform(0.0, latest)
            running = kill(copy.root, moment)
            if running is None:
                if not is_whole(copy, reference):
                    return 1
                copy, before = cold_copy(workspace, copy.root), 0
                latest /= LATER
                continue
            kills += 1
            print(f"kill {kills:2} after {moment:5.1f} s, running: {', '.join(running) or 'none'}", flush=True)
            done = survivors(copy, reference)
            if done is None:
                return 1
            if len(done) <= before:
                latest *= LATER
            before = len(done)
            survived |= done
        is_right = scheduler.run(copy).exit_code == 0 and is_whole(copy, reference)
    print(f"{kills} kills: {len(survived)} of {len(reference)} artifacts were done before one;"
          f" the run after them is {'right' if is_right else 'WRONG'}")
    return 0 if is_right and survived else 1


def kill(folder: Path, moment: float) -> list[str] | None:
    """Start a run and kill it after `moment` seconds; the stages that ran then, or None if it had ended.

    Raises:
        CalledProcessError: it had ended with an error.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        command = [sys.executable, "-c", RUN]
        try:
            subprocess.run(command, cwd=folder, stdout=told, timeout=moment, check=True)
        except subprocess.TimeoutExpired:
            told.seek(0)
            events = [line.split() for line in told if line.endswith("\n")]
            started = {name for kind, *names in events for name in names if kind == "started"}
            return sorted(started - {name for kind, *names in events for name in names if kind == "finished"})
    return None


def survivors(workspace: Workspace, reference: Mapping[str, str]) -> set[str] | None:
    """The artifacts that count as done; None, once it has said so, if one of them is not the reference's."""
    notices = recovery.recover(workspace)
    pending = {f"data/{item.stage}/{item.key}" for item in preview(workspace)}
    done = {path: digest for path, digest in artifacts(workspace).items() if path not in pending}
    wrong = sorted(path for path, digest in done.items() if reference[path] != digest)
    print(f"  {len(done):3} done, {len(pending):3} pending"
          f"{''.join(f'; {notice}' for notice in notices)}{''.join(f'; WRONG {path}' for path in wrong)}", flush=True)
    return None if wrong else set(done)


def is_whole(workspace: Workspace, reference: Mapping[str, str]) -> bool:
    """Whether every artifact of the reference is there; says which is not."""
    found = artifacts(workspace)
    wrong = sorted(path for path, digest in reference.items() if found.get(path) != digest)
    print(f"  a whole run: {len(found)} artifacts{''.join(f'; WRONG {path}' for path in wrong)}", flush=True)
    return not wrong


def artifacts(workspace: Workspace) -> dict[str, str]:
    """sha256 of every planned artifact that is there, by path."""
    planned = workspace.plan()
    keys = ((stage, key) for stage in STAGES if stage not in MEASURED for key in planned[stage])
    paths = [workspace.relative(stage, key) for stage, key in keys]
    return {path: sha256_tree(workspace.root / path) for path in paths if (workspace.root / path).exists()}


def cold_copy(workspace: Workspace, folder: Path) -> Workspace:
    """The workspace without anything that a run makes, in a fresh `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    made = {workspace.root / "data" / stage for stage in (*STAGES, "guard")}
    made |= {workspace.root / name for name in (".venv", ".git", "dvc.lock", ".edgewright", "reports")}
    made |= {workspace.root / ".dvc" / name for name in ("cache", "tmp")}

    def ignored(parent: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(parent) / name in made}

    shutil.copytree(workspace.root, folder, ignore=ignored)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return Workspace(folder)


if __name__ == "__main__":
    sys.exit(main())

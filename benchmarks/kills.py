"""kill -9 at random moments of a cold run, and again of the run that follows; nothing half-written may count as done.

    python benchmarks/kills.py [WORKSPACE] [--kills 20] [--seconds 20] [--seed 0]

The workspace is brought up to date and its artifacts are the reference. A copy without artifacts and cache is
then run and killed; after each kill every artifact that DVC takes for done must equal the reference. At the
end the copy runs undisturbed and must equal it whole. Profiles and the report hold measurements and are left out.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from edgewright.engine import plan, recovery, scheduler
from edgewright.engine.preview import preview
from edgewright.engine.workspace import STAGES, Workspace
from edgewright.files import sha256_tree

MEASURED = ("profile",)
RUN = (
    "from pathlib import Path; from edgewright.engine import scheduler, workspace; "
    "scheduler.run(workspace.Workspace(Path.cwd()))"
)


def main() -> int:
    """Run the benchmark; 0 if every kill was survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workspace", nargs="?", type=Path, default=Path.cwd())
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="a kill comes within so many seconds of a start")
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
        moments = random.Random(options.seed)
        for number in range(1, options.kills + 1):
            if not survives(copy, reference, moments.uniform(0.0, options.seconds), number):
                return 1
        outcome = scheduler.run(copy)
        is_right = outcome.exit_code == 0 and artifacts(copy) == reference
    print(f"{options.kills} kills: the run after them is {'right' if is_right else 'WRONG'}")
    return 0 if is_right else 1


def survives(workspace: Workspace, reference: Mapping[str, str], moment: float, number: int) -> bool:
    """Start a run, kill it after `moment` seconds, and check what counts as done."""
    process = subprocess.Popen([sys.executable, "-c", RUN], cwd=workspace.root, stdout=subprocess.DEVNULL)
    time.sleep(moment)
    process.kill()
    process.wait()
    notices = recovery.recover(workspace)
    pending = {f"data/{item.stage}/{item.key}" for item in preview(workspace)}
    found = artifacts(workspace)
    done = {path: digest for path, digest in found.items() if path not in pending}
    wrong = sorted(path for path, digest in done.items() if reference[path] != digest)
    print(f"kill {number:2} after {moment:5.1f} s: {len(done):3} done, {len(pending):3} pending"
          f"{''.join(f'; {notice}' for notice in notices)}{''.join(f'; WRONG {path}' for path in wrong)}", flush=True)
    return not wrong


def artifacts(workspace: Workspace) -> dict[str, str]:
    """sha256 of every planned artifact that is there, by path."""
    planned = workspace.plan()
    keys = ((stage, key) for stage in STAGES if stage not in MEASURED for key in planned[stage])
    paths = [workspace.relative(stage, key) for stage, key in keys]
    return {path: sha256_tree(workspace.root / path) for path in paths if (workspace.root / path).exists()}


def cold_copy(workspace: Workspace, folder: Path) -> Workspace:
    """The workspace without anything that a run makes."""
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

"""A clone in another folder with a shared-folder remote: `pull`, then 0 stages run and digests are equal.

    make bench-clone
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import workspace


def main() -> int:
    """Build, push, clone, pull, run; once for what was committed, once for what was run but never committed."""
    failures = 0
    with tempfile.TemporaryDirectory(prefix="edgewright-clone-") as parent:
        origin, remote = workspace.make(Path(parent) / "origin", with_cache=True), Path(parent) / "remote"
        workspace.run(origin)
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
        workspace.call(["git", "add", "-A"], origin)
        workspace.call(["git", *identity, "commit", "-qm", "built"], origin)
        uncommitted = (origin / "params.yaml").read_text().replace("clip: true", "clip: false", 1)
        committed = workspace.digests(origin)
        default = (origin / "params.yaml").read_text()
        (origin / "params.yaml").write_text(uncommitted)
        workspace.run(origin, check=False)
        trial = workspace.digests(origin)
        workspace.call(["edgewright", "push", "--remote", str(remote)], origin, show=True)
        clone = Path(parent) / "clone"
        workspace.call(["git", "clone", "-q", str(origin), str(clone)], Path(parent))
        workspace.call(["edgewright", "pull", "--remote", str(remote)], clone, show=True)
        for title, text, wanted in (("committed", default, committed), ("never committed", uncommitted, trial)):
            (clone / "params.yaml").write_text(text)
            states = workspace.run(clone, check=False)
            computed = [name for name in states.get("Completed", []) if name != "report"]
            found = workspace.digests(clone)
            different = [name for name in found if wanted.get(name) != found[name]]
            print(f"{title}: {len(computed)} stages computed, {len(states.get('Restored', []))} restored,"
                  f" {len(states.get('Cached', []))} cached, {len(found)} files, {len(different)} differ,"
                  f" {states['seconds'][0]} s")
            failures += len(computed) + len(different)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

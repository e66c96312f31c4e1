"""A clone in another folder with a shared-folder remote: `pull`, then 0 stages run and digests are equal.

    make bench-clone
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import workspace

CHANGE = ("clip: true", "clip: false")
DONE = (0, 4)
"""Exit codes of a run that built everything; with 4 a variant is outside its budget."""


def judge(states: Mapping[str, list[str]], wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """A line for each instance that the clone computed or did not finish, and for each file that is not the origin's.

    The report is let run: it shows profiles, which are measurements of one machine.
    """
    return [
        *(f"computed: {name}" for name in states.get("Completed", []) if name != "report"),
        *(f"{state.lower()}: {name}" for state in ("Failed", "Skipped") for name in states.get(state, [])),
        *(f"differs: {name}" for name in workspace.different(wanted, found)),
    ]


def main() -> int:
    """Build, push, clone, pull, run; once for what was committed, once for what was run but never committed."""
    failures = []
    with tempfile.TemporaryDirectory(prefix="edgewright-clone-") as parent:
        origin, remote = workspace.make(Path(parent) / "origin", with_cache=True), Path(parent) / "remote"
        workspace.run(origin)
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
        workspace.call(["git", "add", "-A"], origin)
        workspace.call(["git", *identity, "commit", "-qm", "built"], origin)
        default = (origin / "params.yaml").read_text()
        uncommitted = workspace.replaced(default, *CHANGE)
        committed = workspace.digests(origin)
        (origin / "params.yaml").write_text(uncommitted)
        workspace.run(origin, codes=DONE)
        trial = workspace.digests(origin)
        if not workspace.different(committed, trial):
            failures.append(f"{' to '.join(CHANGE)} changed no artifact")
        workspace.call(["edgewright", "push", "--remote", str(remote)], origin, show=True)
        clone = Path(parent) / "clone"
        workspace.call(["git", "clone", "-q", str(origin), str(clone)], Path(parent))
        workspace.call(["edgewright", "pull", "--remote", str(remote)], clone, show=True)
        for title, text, wanted in (("committed", default, committed), ("never committed", uncommitted, trial)):
            (clone / "params.yaml").write_text(text)
            states, seconds = workspace.run(clone, codes=DONE)
            found = workspace.digests(clone)
            wrong = judge(states, wanted, found)
            counts = ", ".join(f"{len(names)} {state.lower()}" for state, names in sorted(states.items()))
            print(f"{title}: {counts}; {len(found)} files; {len(wrong)} wrong; {seconds:.0f} s")
            for line in wrong:
                print(f"  {line}")
            failures += wrong
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""What reruns after a change, on the default workspace: the stages that ran, by state.

    make bench-caching
"""

import re
import shutil
import sys
from collections.abc import Callable

from benchmarks import workspace

MOST_NAMES = 14
RTN = "  rtn-w4: {algorithms: [rtn], bits: 4, group: 32, symmetric: true, layers: {lm_head: skip}}\n"


def _short(names: list[str]) -> str:
    more = " ..." if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more


def main() -> int:
    """Run, change, run; print what ran and check it against what may."""
    folder = workspace.HOME / "caching"
    workspace.make(folder, with_cache=True)
    params = folder / "params.yaml"
    default = params.read_text()
    failures = 0

    def step(
        title: str,
        text: str,
        allowed: Callable[[str], bool],
        states: tuple[str, ...] = ("Completed",),
        **variables: str,
    ) -> None:
        nonlocal failures
        params.write_text(text)
        found = workspace.run(folder, **variables)
        by_state = [(state, name) for state in ("Completed", "Restored") for name in found.get(state, [])
                    if name != "guard"]
        ran = sorted(name for _, name in by_state)
        wrong = [name for state, name in by_state if not allowed(name) or state not in states]
        failures += len(wrong)
        print(f"{title}: {len(ran)} stages in {found['seconds'][0]} s: {_short(ran)}")
        for name in wrong:
            print(f"  NOT EXPECTED: {name}")
        sys.stdout.flush()

    step("first run", default, lambda name: True, ("Completed", "Restored"))
    step("again", default, lambda name: False)
    output = workspace.call(["dvc", "repro"], folder)
    ran = [line for line in re.findall(r"Running stage '([^']+)'", output) if line != "guard"]
    failures += len(ran)
    print(f"dvc repro: {len(ran)} stages: {', '.join(ran) or 'none'}")
    recipe = default.replace("\ngq:\n", f"{RTN}\ngq:\n", 1).replace("aq: awq-w4,", "aq: rtn-w4,")
    below = ("aq@", "ir@", "go@", "gq@", "compile@", "evaluate@", "profile@")
    step("another recipe for the language model", recipe,
         lambda name: name == "report" or ("rtn-w4" in name and name.startswith(below)))
    step("recipe changed back", default, lambda name: name == "report", ("Restored",))
    targets = default.replace("[xnnpack, onnxruntime, ethos-u85-256]", "[xnnpack, ethos-u85-256, onnxruntime]")
    step("the classifier's targets in another order", targets, lambda name: name == "report")
    fewer = default.replace("[xnnpack, onnxruntime, ethos-u85-256]", "[onnxruntime]")
    step("fewer targets", fewer, lambda name: name == "report")
    step("targets changed back", default, lambda name: name == "report", ("Restored",))
    library = workspace.HOME / "library"
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(workspace.ROOT / "edgewright", library / "edgewright")
    with (library / "edgewright/aq/rounders/rtn.py").open("a") as file:
        file.write("# A comment.\n")
    step("a comment in the rounder rtn", default, lambda name: "awq-w4" in name and name.startswith("aq@"),
         PYTHONPATH=str(library))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

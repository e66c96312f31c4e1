"""What reruns after a change, on the default workspace: the stages that ran, by state.

    make bench-caching
"""

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import workspace
from edgewright.engine.workspace import STAGES

MOST_NAMES = 14
TARGETS = "[xnnpack, onnxruntime, ethos-u85-256]"
RTN = "  rtn-w4: {algorithms: [rtn], bits: 4, group: 32, symmetric: true, layers: {lm_head: skip}}\n"
FROM_GO = ("go", "gq", "compile", "evaluate", "profile", "report")
ANY = ("Completed", "Restored")


@dataclass(frozen=True, slots=True)
class Step:
    """A run after a change, and what must come of it.

    Attributes:
        title: what changed since the run before.
        text: params.yaml.
        stages: the stages that must run, and no other: all their instances whose name `part` is found in, and the
            report if it is named.
        part: regular expression.
        states: the states that are right for what runs.
        optional: an instance that may run too.
        variables: of the environment.
    """

    title: str
    text: str
    stages: tuple[str, ...] = ()
    part: str = ""
    states: tuple[str, ...] = ANY
    optional: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def wrong(self, states: Mapping[str, list[str]]) -> list[str]:
        """A line for each stage instance that ran and should not have, or the other way round."""
        every = {name: state for state, names in states.items() for name in names if name != "guard"}
        wanted = {name for name in every if self._wants(*name.split("@"))}
        ran = {name for name, state in every.items() if state in ANY}
        absent = set(self.stages) - {name.partition("@")[0] for name in wanted}
        return [
            *(f"NO SUCH INSTANCE: {stage}@ of {self.part}" for stage in sorted(absent)),
            *(f"DID NOT RUN: {name}" for name in sorted(wanted - ran)),
            *(f"NOT EXPECTED: {name}" for name in sorted(ran - wanted - {self.optional})),
            *(f"{every[name].upper()}: {name}" for name in sorted(every) if every[name] not in ("Cached", *ANY)),
            *(f"NOT {' OR '.join(self.states).upper()}: {name}" for name in sorted(wanted & ran)
              if every[name] not in self.states),
        ]

    def _wants(self, stage: str, key: str | None = None) -> bool:
        return stage in self.stages and (key is None or re.search(self.part, key) is not None)


def main() -> int:
    """Run, change, run; print what ran, and what should have run otherwise."""
    folder = workspace.HOME / "caching"
    workspace.make(folder, with_cache=True)
    default = (folder / "params.yaml").read_text()
    first, *rest = steps(default)
    failures = take(folder, first) + take(folder, Step("again", first.text))
    output = workspace.call(["dvc", "repro"], folder)
    ran = [line for line in re.findall(r"Running stage '([^']+)'", output) if line != "guard"]
    print(f"dvc repro: {len(ran)} stages: {_short(ran)}", flush=True)
    failures += len(ran) + sum(take(folder, step) for step in rest)
    library = workspace.HOME / "library"
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(workspace.ROOT / "edgewright", library / "edgewright")
    with (library / "edgewright/aq/rounders/rtn.py").open("a") as file:
        file.write("# A comment.\n")
    failures += take(folder, Step("a comment in the rounder rtn", default, ("aq",), "awq-w4", ("Completed",),
                                  variables={"PYTHONPATH": str(library)}))
    return 1 if failures else 0


def steps(default: str) -> list[Step]:
    """The runs that differ in params.yaml alone, each from the one before; the last is of `default`."""
    one = workspace.replaced(default, TARGETS, "[onnxruntime]")
    other = workspace.replaced(default, TARGETS, "[xnnpack, ethos-u85-256, onnxruntime]")
    recipe = workspace.replaced(workspace.replaced(default, "\ngq:\n", f"{RTN}\ngq:\n"), "aq: awq-w4,", "aq: rtn-w4,")
    return [
        Step("first run, one target for the classifier", one, (*STAGES, "report")),
        Step("two targets more", default, FROM_GO, "resnet8.*(xnnpack|ethos-u85-256)"),
        Step("targets changed back", one, ("report",), states=("Restored",)),
        Step("the two targets again", default, ("report",), states=("Restored",)),
        Step("the targets in another order", other, optional="report"),
        Step("another recipe for the language model", recipe, ("aq", "ir", *FROM_GO), "rtn-w4", ("Completed",)),
        Step("recipe changed back", default, ("report",), states=("Restored",)),
    ]


def take(folder: Path, step: Step) -> int:
    """Run a step, print what ran and what is wrong with that; the number of the latter."""
    (folder / "params.yaml").write_text(step.text)
    states, seconds = workspace.run(folder, variables=step.variables)
    ran = sorted(name for state in ANY for name in states.get(state, []) if name != "guard")
    print(f"{step.title}: {len(ran)} stages in {seconds:.0f} s: {_short(ran)}")
    wrong = step.wrong(states)
    for line in wrong:
        print(f"  {line}")
    sys.stdout.flush()
    return len(wrong)


def _short(names: list[str]) -> str:
    return (", ".join(names[:MOST_NAMES]) or "none") + (" ..." if len(names) > MOST_NAMES else "")


if __name__ == "__main__":
    sys.exit(main())

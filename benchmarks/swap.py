"""One field of params.yaml swaps the algorithm of the default language model: what reruns, and what comes of it.

    make bench-swap
    python -m benchmarks.swap rtn gptq quarot,gptq

Without names it takes every transform (with round to nearest) and every rounder that there is. Between two runs only
`algorithms` of the recipe changes; aq and what follows must run then, and nothing else. The exit code is 1 if another
stage ran, one of these did not, or one failed.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import caching, workspace
from edgewright import registry
from edgewright.aq.algorithms import ROUNDERS, TRANSFORMS, split
from edgewright.engine.workspace import STAGES
from edgewright.report.format import byte_text, time_text, times_text

MODEL, RECIPE, FIELD = "english-llama", "awq-w4", "algorithms: [awq]"
COLUMNS = {"after aq": 10, "compiled": 10, "float": 8, "size": 10, "latency": 10, "faster": 8, "aq": 8}
CODES = (0, 1, 2, 3, 4)
"""Exit codes after which the run record is judged; with 4 an algorithm misses the budget, which is its own affair."""


def main() -> int:
    """Swap through the algorithms, print a line each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithms", nargs="*", help="names, those of a composition joined by commas")
    given = parser.parse_args().algorithms
    for name in given:
        split(name.split(","))
    folder = workspace.make(workspace.HOME / "swap", with_cache=True)
    default = (folder / "params.yaml").read_text()
    failures = take(folder, caching.Step("the default", default, (*STAGES, "report")))
    rows = [row("awq", *measured(folder))]
    for name in given or others():
        failures += take(folder, step(default, name))
        rows.append(row(name, *measured(folder)))
    header = "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    print(f"{'algorithms':22}{header}", *rows, sep="\n")
    return 1 if failures else 0


def others() -> list[str]:
    """Every algorithm but that of the default."""
    known = (*registry.names(ROUNDERS), *registry.names(TRANSFORMS))
    return [name for name in known if f"[{name}]" not in FIELD]


def step(default: str, name: str) -> caching.Step:
    """The run with another algorithm in the one field; `name` may be several, joined by commas."""
    text = workspace.replaced(default, FIELD, f"algorithms: [{name.replace(',', ', ')}]")
    return caching.Step(name, text, ("aq", "ir", *caching.FROM_GO), f"{MODEL}.*{RECIPE}")


def take(folder: Path, step: caching.Step) -> int:
    """Run a step from no run record, print what ran and what is wrong with that; the number of the latter."""
    (folder / "params.yaml").write_text(step.text)
    (folder / "reports/run.json").unlink(missing_ok=True)
    states, seconds = workspace.run(folder, codes=CODES)
    ran = sorted(name for state in caching.ANY for name in states.get(state, []) if name != "guard")
    shown = ", ".join(ran[: caching.MOST_NAMES]) + (" ..." if len(ran) > caching.MOST_NAMES else "")
    print(f"{step.title}: {len(ran)} stages in {seconds:.0f} s: {shown or 'none'}")
    wrong = step.wrong(states)
    print(*(f"  {line}\n" for line in wrong), sep="", end="", flush=True)
    return len(wrong)


def measured(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The report and the run record of a workspace; empty where a run left none."""
    found = []
    for name in ("report.json", "run.json"):
        path = folder / "reports" / name
        found.append(json.loads(path.read_text()) if path.is_file() else {})
    return found[0], found[1]


def row(name: str, report: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """A line of the table, from the report's variant of the recipe."""
    variant = next((item for item in report.get("variants", ()) if item["aq"] == RECIPE), None)
    if variant is None or variant["status"] == "failed":
        return f"{name:22}failed: {variant['reason'] if variant else 'no report'}"
    (after, key) = next((item["metric"], item["key"]) for item in variant["stages"] if item["stage"] == "aq")
    metric, size, latency = variant["metric"], variant["size_bytes"], variant["latency_ms"]
    seconds = record.get("stages", {}).get(f"aq@{key}", {}).get("seconds", 0.0)
    failures = len(((variant["details"].get("weights")) or {}).get("failures", ()))
    return (
        f"{name:22}{after:10.3f}{metric['compiled']:10.3f}{metric['float']:8.3f}{byte_text(size['compiled']):>10}"
        f"{time_text(latency['compiled']):>10}{times_text(latency['compiled'], latency['float']):>8}{seconds:6.0f} s"
        + (f"  {failures} layers failed" if failures else "")
        + ("  over budget" if variant["status"] == "rejected" else "")
    )


if __name__ == "__main__":
    sys.exit(main())

"""The engine's tiny workspace with stages that write what the report reads, and the command line in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgewright.engine import plan
from tests.engine.workspace import REPOSITORY, Tiny, make
from tests.support import search_path

STAGE = '''
"""A stage that writes the files the report reads; by an option of its recipe 3 fails, 2 crashes, 6 hangs."""

import time

from edgewright.engine import stage
from edgewright.errors import InputError
from edgewright.files import sha256_file, write_json

DRIFT = {"snr_db": 30.0, "logit_mse": 0.01, "agreement": None, "samples": 4}


def run(context: stage.Context) -> None:
    with (context.workspace.root / "ran.log").open("a") as log:
        log.write(f"start {context.name}\\n")
    out = context.out
    recipe = context.item.get("recipe")
    behaviour = context.params.aq[recipe].options.get("rtn", {}).get("behaviour", 8) if recipe else 8
    if behaviour == 3:
        raise InputError(f"{context.name}: column 'x' has 3 nulls")
    if behaviour == 2:
        raise ZeroDivisionError("a bug")
    if behaviour == 6:
        time.sleep(120)
    if context.stage == "report":
        from edgewright.engine.report_files import assemble
        from edgewright.report import write

        write(assemble(context.workspace), out)
        return
    write_json(out / "artifact.json", {"name": context.name, "behaviour": behaviour})
    if context.stage == "aq":
        write_json(out / "layers.json", {"schema": 1, "modules": [], "skipped": []})
    elif context.stage == "go":
        firings = {"schema": 1, "target": context.item["target"], "firings": [], "refused": [],
                   "operators_before": {"linear": 2}, "operators_after": {"linear": 2}}
        write_json(out / "firings.json", firings)
    elif context.stage == "gq":
        write_json(out / "sensitivity.json", {"schema": 1, "modules": []})
    elif context.stage == "compile":
        (out / "model.pte").write_bytes(context.key.encode() * 10)
        manifest = {
            "schema": 1, "target": context.item["target"], "toolchain": "executorch", "artifact": "model.pte",
            "sha256": sha256_file(out / "model.pte"), "size_bytes": 1000, "delegated": 2, "delegates": 1,
            "not_delegated": [], "versions": {"executorch": "1.0"}, "memory_bytes": 5000, "inputs": [], "outputs": [],
        }
        write_json(out / "manifest.json", manifest)
    elif context.stage == "evaluate":
        value = 0.0 if context.item["stage"] == "model" else 0.01
        metrics = {
            "schema": 1, "metric": {"name": "logit_mse", "value": value, "samples": 4}, "metrics": {"logit_mse": value},
            "drift": None if context.item["stage"] == "model" else DRIFT, "interval": None, "size_bytes": 4000,
            "synthetic": False, "runtime": context.item["runtime"],
        }
        write_json(out / "metrics.json", metrics)
    elif context.stage == "profile":
        spread = {"median": 1.0, "p10": 0.9, "p90": 1.1}
        profile = {
            "schema": 1, "estimate": False, "source": "test", "threads": 1, "runs": 3, "host": {"cpu": "test"},
            "latency_ms": {"compiled": spread, "float": {**spread, "median": 2.0}},
            "memory_bytes": {"compiled": 9000, "float": 12000}, "cycles": None, "sram_bytes": None,
            "flash_bytes": None, "operators": [],
        }
        write_json(out / "profile.json", profile)


if __name__ == "__main__":
    stage.main("NAME", run)
'''


def build(root: Path) -> Tiny:
    """A planned workspace in `root`, an empty folder; nothing of it is built."""
    tiny = make(root)
    for file in (tiny.root / "stages").glob("*.py"):
        file.write_text(STAGE.replace("NAME", file.stem))
    set_behaviour(tiny, 8)
    plan.write(tiny.workspace)
    return tiny


def call(
    folder: Path, *arguments: str, module: str = "edgewright", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`edgewright ARGUMENTS` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, text=True, capture_output=True, check=False,
        timeout=300,
        env={**os.environ, "PATH": search_path(), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "140", **environment},
    )


def set_behaviour(tiny: Tiny, behaviour: int) -> None:
    """Change the recipe: 8 works, 2 crashes, 3 fails, 6 hangs."""
    tiny.edit(lambda values: values["aq"]["plain"].update(options={"rtn": {"behaviour": behaviour}}))


def report_of(tiny: Tiny) -> dict[str, Any]:
    """reports/report.json."""
    value: dict[str, Any] = json.loads((tiny.root / "reports" / "report.json").read_text())
    return value

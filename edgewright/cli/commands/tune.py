"""`edgewright tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgewright.config.search import SearchBudget
    from edgewright.engine.workspace import Workspace
    from edgewright.gq.tune.step import Tuned

EXAMPLES = (
    ("edgewright tune resnet8--none--w8a8--xnnpack", "until the variant's accept: {metric_drop: ...} holds"),
    ("edgewright tune resnet8--none--w8a8--xnnpack --snr 30", "until the logits have 30 dB"),
)
_FOLDER = "tune"


def command(
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="model--aq--gq--target.")],
    snr: Annotated[float | None, typer.Option(help="Signal-to-noise ratio of the logits to keep, in dB; the variant's "
                                              "accept: {metric_drop: ...} if absent.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the scheme that is written; GQ-tuned if absent.")] = None,
) -> None:
    """Try one precision after another until a variant keeps its budget, and write the scheme that does."""
    import sys

    from rich.console import Console

    from edgewright.cli.options import entry_of
    from edgewright.engine.build import build
    from edgewright.engine.workspace import Workspace

    workspace = Workspace.find()
    item, accept = entry_of(workspace, variant)
    budget = _budget(snr, accept, variant)
    build(workspace, variants=[variant])
    found = _tuned(workspace, item, budget)
    scheme = name or f"{item['gq']}-tuned"
    _write(workspace.root / _FOLDER, variant, scheme, found)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    _show(console, found)
    console.print(f"scheme: {_FOLDER}/{variant}.yaml, to be put under gq in params.yaml")
    found.require_reached(variant)


def _budget(snr: float | None, accept: "Mapping[str, float]", variant: str) -> "SearchBudget":
    from edgewright.config.search import SearchBudget
    from edgewright.errors import ConfigError

    if snr is not None:
        return SearchBudget(snr_db=snr)
    if "metric_drop" not in accept:
        raise ConfigError(f"{variant}: nothing to work towards; give the variant accept: {{metric_drop: N}} in "
                          "params.yaml, or --snr DB")
    return SearchBudget(metric_drop=accept["metric_drop"])


def _tuned(workspace: "Workspace", item: "Mapping[str, Any]", budget: "SearchBudget") -> "Tuned":
    import sys

    from edgewright import ir, targets
    from edgewright.datasets import Sample
    from edgewright.errors import InputError
    from edgewright.evaluate.judge import judge
    from edgewright.gq.tune.tune import tune
    from edgewright.progress import printed, silent

    params, keys = workspace.params(), item["keys"]
    program = workspace.artifact("go", keys["go"]) / "program.pt2"
    calibration = workspace.artifact("calibration", keys["calibration"])
    if not program.is_file():
        raise InputError(f"{item['name']}: its optimized program could not be built; `edgewright run` says why")
    data = params.models[item["model"]].calibration
    rows = calibration / "search.parquet"
    if not rows.is_file():
        raise InputError(f"{item['name']}: tune judges on rows of its own; give data.{data} samples: N and search: N")
    judged = Sample.load(rows)
    lost = judge(judged, params.models[item["model"]].task) if budget.metric_drop is not None else None
    return tune(
        ir.load(program), targets.load(item["target"]), params.gq[item["gq"]], budget,
        Sample.load(calibration / "sample.parquet"), judged, judge=lost,
        progress=printed("tune") if sys.stderr.isatty() else silent, where=item["name"],
    )  # fmt: skip


def _write(folder: Path, variant: str, scheme: str, found: "Tuned") -> None:
    import yaml

    from edgewright.files import write_json

    folder.mkdir(exist_ok=True)
    write_json(folder / f"{variant}.json", found.record())
    entry = {scheme: {**found.scheme(), "tuned": f"{folder.name}/{variant}.json"}}
    text = yaml.safe_dump({"gq": entry}, sort_keys=False, default_flow_style=None, width=110)
    (folder / f"{variant}.yaml").write_text(text, encoding="utf-8")


def _show(console: Any, found: "Tuned") -> None:
    from rich.table import Table

    table = Table("step", "SNR, dB", "metric lost", "weight bytes", "evaluations", "budget", box=None)
    for step in found.steps:
        score = step.score
        table.add_row(
            step.name, "inf" if score.snr_db is None else f"{score.snr_db:.1f}",
            "" if score.metric_drop is None else f"{score.metric_drop:.3g}", f"{step.share:.0%}",
            str(step.evaluations), "holds" if step.reached else "missed",
        )  # fmt: skip
    console.print(table)
    console.print(f"the error of the first scheme comes from {found.cause.name}; {found.chosen.name} stays")

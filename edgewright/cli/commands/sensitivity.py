"""`edgewright sensitivity`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgewright.engine.workspace import Workspace
    from edgewright.gq.search.layer_sensitivity import LayerSensitivity, Mode, Row
    from edgewright.gq.search.trials import Score

EXAMPLES = (
    ("edgewright sensitivity resnet8--none--w8a8--xnnpack", "each layer alone quantized, and each alone left float"),
    ("edgewright sensitivity resnet8--none--w8a8--ethos-u85-256 --precision w4a8", "at another precision"),
    ("edgewright sensitivity resnet8--none--w8a8--xnnpack --yaml", "lines for gq.<scheme>.layers in params.yaml"),
)
_SHOWN = 10
_FOLDER = "sensitivity"


def command(
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="model--aq--gq--target.")],
    precision: Annotated[str | None, typer.Option(help="As w4a8 or w8a16; that of the scheme if absent.")] = None,
    mode: Annotated[Literal["alone", "all-but-one", "both"], typer.Option(
        help="alone: one layer quantized, the rest float; all-but-one: one layer float, the rest quantized.")] = "both",
    everything: Annotated[bool, typer.Option("--all", help="All layers, not the ten worst.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print lines that leave a layer float.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")] = None,
) -> None:
    """Measure what quantizing each layer does to the output, the most sensitive first.

    Layers that must move together are one row. What was measured before is not run again.
    """
    import sys

    from rich.console import Console

    from edgewright.cli.options import entry_of
    from edgewright.engine.build import build
    from edgewright.engine.workspace import Workspace
    from edgewright.files import write_json

    workspace = Workspace.find()
    item, _ = entry_of(workspace, variant)
    _check(workspace, item, precision)
    build(workspace, variants=[variant])
    found = _measured(workspace, item, precision, mode)
    if json_file is not None:
        write_json(json_file, found.json_value())
    shown = found.rows if everything else found.rows[:_SHOWN]
    if as_yaml:
        for row in shown:
            print("\n".join(f"{line}  # {_reason(row)}" for line in row.yaml_lines()))
        return
    _show(Console(highlight=False, soft_wrap=not sys.stdout.isatty()), found, shown)


def _check(workspace: "Workspace", item: "Mapping[str, Any]", precision: str | None) -> None:
    """Refuse before compute what the target cannot run."""
    from edgewright import targets
    from edgewright.config.precision import FLOAT, PRECISION
    from edgewright.errors import ConfigError

    scheme = workspace.params().gq[item["gq"]]
    if scheme.is_empty or scheme.dtype != "float32":
        raise ConfigError(f"{item['name']}: gq.{item['gq']} quantizes nothing; name a variant whose scheme has weights "
                          "or activations")
    if precision is None:
        return
    if precision == FLOAT or not PRECISION.fullmatch(precision):
        raise ConfigError(f"--precision: '{precision}' is no precision of integers; one is w and a with their bits: "
                          "w4a8, w8a8, w8a16, w16a16")
    layer = scheme.resolved(precision)
    assert layer is not None
    wanted = scheme.model_copy(update={
        "weights": layer.weights, "activations": layer.activations, "layers": {}, "search": None,
    })
    targets.check_scheme(targets.load(item["target"]), wanted, f"--precision {precision}")


def _measured(
    workspace: "Workspace", item: "Mapping[str, Any]", precision: str | None, mode: "Mode"
) -> "LayerSensitivity":
    import sys

    from edgewright import ir, targets
    from edgewright.datasets import Sample
    from edgewright.errors import InputError
    from edgewright.evaluate.judge import judge
    from edgewright.files import sha256_file
    from edgewright.gq.search.layer_sensitivity import measure
    from edgewright.progress import printed, silent

    params, keys = workspace.params(), item["keys"]
    program = workspace.artifact("go", keys["go"]) / "program.pt2"
    calibration = workspace.artifact("calibration", keys["calibration"])
    if not program.is_file():
        raise InputError(f"{item['name']}: its optimized program could not be built; `edgewright run` says why")
    model = params.models[item["model"]]
    rows = calibration / "search.parquet"
    if not rows.is_file():
        raise InputError(f"{item['name']}: sensitivity is judged on rows of its own; give data.{model.calibration} "
                         "samples: N and search: N")
    judged = Sample.load(rows)
    has_metric = judged.labels is not None or model.task == "language-modeling"
    return measure(
        ir.load(program), targets.load(item["target"]), params.gq[item["gq"]],
        Sample.load(calibration / "sample.parquet"), judged, precision=precision, mode=mode,
        judge=judge(judged, model.task) if has_metric else None, cache=workspace.root / ".edgewright" / _FOLDER,
        source=f"{sha256_file(program)} {sha256_file(rows)}",
        progress=printed("sensitivity") if sys.stderr.isatty() else silent, where=f"gq.{item['gq']}",
    )  # fmt: skip


def _show(console: Any, found: "LayerSensitivity", rows: "Sequence[Row]") -> None:
    from rich.table import Table

    kinds = [kind for kind in ("alone", "all_but_one") if getattr(found.rows[0], kind) is not None]
    table = Table("layer", *(f"{kind.replace('_', ' ')}, dB" for kind in kinds), "metric lost alone", box=None)
    if "alone" not in kinds:
        table = Table("layer", "all but one, dB", "metric lost", box=None)
    for row in rows:
        scores: list[Score] = [getattr(row, kind) for kind in kinds]
        table.add_row(row.unit.name, *map(_db, scores), _lost(scores[0]))
    console.print(table)
    if len(rows) < len(found.rows):
        console.print(f"{len(rows)} of {len(found.rows)} layers; --all shows the others")
    console.print(f"everything quantized ({found.precision}): {_db(found.whole)} dB, metric lost {_lost(found.whole)}")
    total = found.sum_of_parts
    if total is not None:
        console.print(f"sum of the errors alone: {total:.3g}, error of the whole: {found.whole.mse:.3g}")
    console.print(f"{found.evaluated} evaluations run, the others were known")


def _db(score: "Score") -> str:
    return "inf" if score.snr_db is None else f"{score.snr_db:.1f}"


def _lost(score: "Score") -> str:
    return "" if score.metric_drop is None else f"{score.metric_drop:.3g}"


def _reason(row: "Row") -> str:
    parts = [] if row.alone is None else [f"{_db(row.alone)} dB alone"]
    return ", ".join([*parts, *([] if row.all_but_one is None else [f"{_db(row.all_but_one)} dB without it"])])

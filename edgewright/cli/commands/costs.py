"""`edgewright costs`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgewright.config.schemes import GqScheme
    from edgewright.engine.workspace import Workspace
    from edgewright.targets import Target
    from edgewright.targets.cost_table import CostTable

EXAMPLES = (
    ("edgewright costs resnet8--none--w8a8--ethos-u85-256", "Vela's cycles of each module at each precision"),
    ("edgewright costs resnet8--none--w8a8--xnnpack --precision w8a8 --precision float", "milliseconds, of these two"),
)
_FOLDER = "costs"
_PRECISIONS = ("w4a8", "w8a8", "w8a16", "w16a16")


def command(
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="model--aq--gq--target.")],
    precision: Annotated[list[str] | None, typer.Option(help="As w4a8 or float, once for each; the candidates of the "
                                                        "scheme's search if absent, or all that the target can "
                                                        "run.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; costs/MODEL--TARGET.json if absent.")] = None,
) -> None:
    """Measure what each module costs on the target at each precision, for gq.<scheme>.search.cost in params.yaml.

    Cycles are the compiler's estimate; milliseconds are of this machine, and the table says so.
    """
    import sys

    from rich.console import Console

    from edgewright import targets
    from edgewright.cli.options import entry_of
    from edgewright.engine.build import build
    from edgewright.engine.workspace import Workspace

    workspace = Workspace.find()
    item, _ = entry_of(workspace, variant)
    target, scheme = targets.load(item["target"]), workspace.params().gq[item["gq"]]
    wanted = _wanted(target, scheme, precision)
    build(workspace, variants=[variant])
    table = _measured(workspace, item, target, scheme, wanted)
    path = out or workspace.root / _FOLDER / f"{item['model']}--{target.name}.json"
    table.write(path)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for name, costs in table.precisions.items():
        console.print(f"{name}: {sum(costs.values()):.6g} {table.unit}")
    shown = path.relative_to(workspace.root) if path.is_relative_to(workspace.root) else path
    console.print(f"table: {shown}, to be named as cost under gq.<scheme>.search in params.yaml")


def _wanted(target: "Target", scheme: "GqScheme", given: "Sequence[str] | None") -> tuple[str, ...]:
    """The precisions, each of which the target can run; an estimate knows nothing of the host's float operators."""
    from edgewright.config.precision import FLOAT, PRECISION
    from edgewright.errors import ConfigError

    for name in given or ():
        if name != FLOAT and not PRECISION.fullmatch(name):
            raise ConfigError(f"--precision: '{name}' is no precision; one is float, or w and a with their bits: w4a8, "
                              "w8a8, w8a16, w16a16")
        _check(target, scheme, name, f"--precision {name}")
    if given:
        return tuple(dict.fromkeys(given))
    if scheme.search is not None:
        for name in scheme.search.candidates:
            _check(target, scheme, name, f"search.candidates {name}")
        return scheme.search.candidates
    return tuple(name for name in (*_PRECISIONS, FLOAT) if _can(target, scheme, name))


def _check(target: "Target", scheme: "GqScheme", name: str, where: str) -> None:
    from edgewright import targets
    from edgewright.config.precision import FLOAT
    from edgewright.errors import ConfigError

    if name == FLOAT:
        if target.estimate:
            raise ConfigError(f"{where}: {target.toolchain} estimates what {target.name} runs, and float operators run "
                              "on its host; leave float out")
        return
    layer = scheme.resolved(name)
    assert layer is not None
    targets.check_scheme(target, scheme.model_copy(update={
        "weights": layer.weights, "activations": layer.activations, "layers": {}, "search": None,
    }), where)


def _can(target: "Target", scheme: "GqScheme", name: str) -> bool:
    from edgewright.errors import ConfigError

    try:
        _check(target, scheme, name, name)
    except ConfigError:
        return False
    return True


def _measured(
    workspace: "Workspace", item: "Mapping[str, Any]", target: "Target", scheme: "GqScheme", names: "Sequence[str]"
) -> "CostTable":
    import sys

    from edgewright import ir
    from edgewright.datasets import Sample
    from edgewright.errors import InputError
    from edgewright.gq.search.operator_costs import measure
    from edgewright.profile.host import describe
    from edgewright.profile.lock import exclusive
    from edgewright.progress import printed, silent

    params, keys = workspace.params(), item["keys"]
    program = workspace.artifact("go", keys["go"]) / "program.pt2"
    if not program.is_file():
        raise InputError(f"{item['name']}: its optimized program could not be built; `edgewright run` says why")
    sample = Sample.load(workspace.artifact("calibration", keys["calibration"]) / "sample.parquet")
    inputs = next(iter(sample.batches(params.models[item["model"]].export.batch)))
    with exclusive():
        return measure(
            ir.load(program), target, scheme, names, sample, inputs, host=describe(), threads=params.profile.threads,
            runs=params.profile.runs, progress=printed("costs") if sys.stderr.isatty() else silent,
            where=f"gq.{item['gq']}",
        )  # fmt: skip

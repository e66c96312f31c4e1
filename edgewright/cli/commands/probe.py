"""`edgewright probe`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgewright.compare.artifact import Artifact
    from edgewright.datasets import Sample

EXAMPLES = (
    ("edgewright probe float gq", "what quantization does to each operator"),
    ("edgewright probe go gq --variant xnnpack --all", "of the variant with xnnpack in its name, all operators"),
    ("edgewright probe gq compiled", "what the toolchain does"),
    ("edgewright probe float gq --yaml", "lines for gq.<scheme>.layers in params.yaml"),
    ("edgewright probe a.pt2 b.pt2 --sample sample.parquet", "any two Programs"),
)


def command(
    first: Annotated[str, typer.Argument(metavar="A", help="Reference: a path, STAGE@KEY, or float, aq, ir, go, gq, "
                                         "compiled.")],
    second: Annotated[str, typer.Argument(metavar="B", help="What is compared with it: named likewise.")],
    variant: Annotated[str | None, typer.Option(help="Variant whose stages are meant, or a part of its name.")] = None,
    sample: Annotated[Path | None, typer.Option(help="Sample to run; the calibration sample if absent.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the sample.")] = 16,
    everything: Annotated[bool, typer.Option("--all", help="All operators, not the ten worst.")] = False,
    histograms: Annotated[bool, typer.Option("--histograms", help="Draw weights and activations.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print lines that leave an operator float.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")] = None,
    parts: Annotated[bool, typer.Option(help="Measure what each operator alone does to the output.")] = True,
) -> None:
    """Compare two artifacts of a chain operator by operator, what does most harm first."""
    import logging
    import sys

    from rich.console import Console

    from edgewright.cli import show_probe
    from edgewright.compare.compare import compare
    from edgewright.files import write_json
    from edgewright.progress import printed, silent

    # What libraries warn of at their import says nothing of the artifacts.
    logging.disable(logging.WARNING)
    a, b, data = _open(first, second, variant, sample)
    progress = printed("probe") if sys.stderr.isatty() else silent
    found = compare(
        a, b, data.head(rows), parts=parts, histograms=histograms or json_file is not None, progress=progress
    )
    if json_file is not None:
        write_json(json_file, found.json_value())
    shown = found.modules if everything else found.modules[: show_probe.SHOWN]
    if as_yaml:
        print("\n".join(show_probe.yaml_lines(found, shown)))
        return
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    show_probe.show(found, shown, console, histograms=histograms)


def _open(first: str, second: str, variant: str | None, sample: Path | None) -> "tuple[Artifact, Artifact, Sample]":
    from edgewright.compare.artifact import load
    from edgewright.datasets import Sample
    from edgewright.engine import find_artifact
    from edgewright.engine.workspace import Workspace
    from edgewright.errors import ConfigError, InputError

    texts = (first, second)
    try:
        workspace = Workspace.find()
    except ConfigError:
        if sample is None or not all(Path(text).exists() for text in texts):
            raise
        a, b = (load(Path(text), text, Path.cwd()) for text in texts)
        return a, b, Sample.load(sample)
    places = find_artifact.find(workspace, texts, variant)
    samples = (path for place in reversed(places) if (path := find_artifact.calibration(workspace, place)))
    path = sample or next(samples, None)
    if path is None:
        raise InputError(f"no calibration sample of {first} or {second} is here: give --sample FILE")
    data = Sample.load(path)
    a, b = (
        load(
            place.path, place.name, workspace.root,
            batch=find_artifact.batch(workspace, place), source=find_artifact.source(workspace, place),
        )
        for place in places
    )  # fmt: skip
    return a, b, data

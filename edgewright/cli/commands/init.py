"""`edgewright init`."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = (
    ("edgewright init mine --sample", "with the embedded models, ready to run"),
    ("edgewright init mine", "params.yaml to fill in"),
    ("edgewright init mine --model models/llama --data text.parquet --target xnnpack", "a Hugging Face folder"),
    ("edgewright init mine --model nets.small:create --weights small.safetensors --shape 3,32,32"
     " --task image-classification --data images.parquet --target ethos-u85-256", "a factory of your own"),
)


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New or existing folder.")],
    model: Annotated[str | None, typer.Option(
        metavar="PATH|ID|FACTORY", help="Hugging Face folder or id, .pt2 program, or package.module:function.")] = None,
    data: Annotated[str | None, typer.Option(
        metavar="PATH|ID", help="Parquet, CSV or text file, folder, or Hugging Face dataset id.")] = None,
    target: Annotated[str | None, typer.Option(metavar="NAME", help="Target device.")] = None,
    task: Annotated[str | None, typer.Option(
        metavar="NAME", help="language-modeling, image-classification or regression.")] = None,
    column: Annotated[list[str] | None, typer.Option(
        metavar="ROLE=NAME", help="Column of a role: text, image, label or input. Repeatable.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Safetensors weights of a factory.")] = None,
    shape: Annotated[str | None, typer.Option(metavar="C,H,W", help="Input shape of a factory, no batch.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Copy the embedded models and samples too.")] = False,
) -> None:
    """Write a workspace: params.yaml, dvc.yaml, stages, flows and ignore files."""
    from edgewright.engine.first_params import Choice
    from edgewright.engine.init import init
    from edgewright.errors import ConfigError

    given = {"--model": model, "--data": data, "--target": target}
    missing = [option for option, value in given.items() if value is None]
    more = {"--task": task, "--column": column, "--weights": weights, "--shape": shape}
    choice = None
    if model is not None and data is not None and target is not None:
        if sample:
            raise ConfigError("--sample brings models of its own: give either it or --model, --data and --target")
        choice = Choice(model, data, target, task, _columns(column or []), weights, _shape(shape))
    elif len(missing) < len(given) or any(value is not None for value in more.values()):
        raise ConfigError(f"{', '.join(missing)} missing: --model, --data and --target go together")
    init(directory, choice, sample=sample)
    ready = choice is not None or sample
    then = "edgewright run" if ready else "edit params.yaml, edgewright validate, edgewright run"
    print(f"{directory}: workspace written; next: cd {directory}, {then}")


def _columns(given: list[str]) -> dict[str, str]:
    from edgewright.errors import ConfigError

    for item in given:
        if "=" not in item:
            raise ConfigError(f"--column {item}: write it as ROLE=NAME, for example label=class")
    return dict(item.split("=", 1) for item in given)


def _shape(given: str | None) -> tuple[int, ...]:
    from edgewright.errors import ConfigError

    try:
        shape = tuple(int(part) for part in given.split(",")) if given else ()
    except ValueError as error:
        raise ConfigError(f"--shape {given}: write it as 3,32,32") from error
    if any(size < 1 for size in shape):
        raise ConfigError(f"--shape {given}: sizes must be positive")
    return shape

"""A working params.yaml of one variant, from a model, its data and a target."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edgewright.config import GqScheme, Params, parse
from edgewright.config.places import is_hub_id
from edgewright.errors import ConfigError, InputError, first_line, nearest
from edgewright.files import read_json

TASKS = ("language-modeling", "image-classification", "regression")
_ROLES = {
    "language-modeling": ("text",), "image-classification": ("image", "label"), "regression": ("input",),
}
_ARCHITECTURES = {"ForCausalLM": "language-modeling", "LMHeadModel": "language-modeling",
                  "ForImageClassification": "image-classification"}
_RECIPE: dict[str, Any] = {
    "algorithms": ["awq"], "bits": 4, "group": 32, "symmetric": True, "layers": {"lm_head": "skip"},
}
_SCHEMES: dict[str, dict[str, Any]] = {
    "w4a8-dynamic": {
        "weights": {"bits": 4, "granularity": "group", "group": 32}, "activations": {"bits": 8, "mode": "dynamic"},
    },
    "w8a8-dynamic": {"weights": {"bits": 8, "granularity": "channel"}, "activations": {"bits": 8, "mode": "dynamic"}},
    "w8a8": {
        "weights": {"bits": 8, "granularity": "channel"},
        "activations": {"bits": 8, "mode": "static", "calibration": {"method": "histogram"}},
    },
}
_CALIBRATION, _HOLDOUT = 128, 512
_HEADER = "# What to build. `edgewright validate` checks this file, `edgewright run` builds it.\n"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the first variant is to be; paths are relative to the current folder.

    Attributes:
        model: Hugging Face folder or id, a `.pt2` program, or a factory `package.module:function`.
        data: parquet, CSV or text file, folder, or Hugging Face dataset id; both samples are drawn from it.
        target: name of a target.
        task: one of TASKS; read from the configuration of a local Hugging Face folder if None.
        columns: role (text, image, label, input) to column; the column named as the role where it is absent.
        weights: safetensors file of a factory.
        shape: input of a factory, without the batch.
    """

    model: str
    data: str
    target: str
    task: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    shape: tuple[int, ...] = ()


def text(choice: Choice, folder: Path) -> str:
    """The text of params.yaml for a workspace in `folder`, valid against the schema.

    Raises:
        ConfigError: the choice cannot work; the message names the option.
        InputError: a file of it does not exist or is not readable.
    """
    from edgewright import targets

    known = targets.names()
    if choice.target not in known:
        near = nearest(choice.target, known)
        raise ConfigError(f"--target: unknown target '{choice.target}'{near}; known: {', '.join(known)}")
    task = choice.task or _task(choice.model)
    if task not in TASKS:
        raise ConfigError(f"--task: unknown task '{task}'{nearest(task, TASKS)}; known: {', '.join(TASKS)}")
    name = _name(choice.model)
    columns, rows = _columns(choice, task), _rows(Path(choice.data))
    holdout = min(_HOLDOUT, rows // 2) if rows else _HOLDOUT
    calibration = min(_CALIBRATION, rows - holdout) if rows else _CALIBRATION
    recipe, scheme = _scheme(task, choice.target)
    source: dict[str, Any] = {"source": _place(choice.data, folder, "--data")}
    if not Path(choice.data).exists():
        source["split"] = "train"
    if columns:
        source["columns"] = columns
    value = {
        "models": {name: _model(choice, task, folder) | {"calibration": "calibration", "holdout": "holdout"}},
        "data": {
            "calibration": source | {"samples": calibration, "seed": 0},
            "holdout": source | {"samples": holdout, "seed": 1},
        },
        "aq": {"none": {}} | ({"awq-w4": _RECIPE} if recipe == "awq-w4" else {}),
        "gq": {"none": {}, scheme: _SCHEMES[scheme]},
        "variants": [{"model": name, "aq": recipe, "gq": scheme, "target": choice.target}],
        "evaluate": {"drift_samples": 64, "simulator_samples": 500},
        "profile": {"threads": 1, "runs": 50, "warmup": 5},
    }
    parse(Params, value, "params.yaml").check_references("params.yaml")
    sections = (yaml.safe_dump({key: section}, sort_keys=False, width=110) for key, section in value.items())
    return _HEADER + "\n".join(sections)


def _task(model: str) -> str:
    """The task of a local Hugging Face folder, from the name of its architecture."""
    config = Path(model) / "config.json"
    if config.is_file():
        for architecture in read_json(config).get("architectures") or ():
            for suffix, task in _ARCHITECTURES.items():
                if str(architecture).endswith(suffix):
                    return task
    raise ConfigError(f"--task: not to be seen from {model}; give one of {', '.join(TASKS)}")


def _model(choice: Choice, task: str, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"task": task}
    if re.fullmatch(r"[\w.]+:\w+", choice.model):
        if choice.weights is None or not choice.shape:
            raise ConfigError("--model names a factory: give --weights FILE.safetensors and --shape 3,32,32 too")
        weights = _place(choice.weights, folder, "--weights")
        return entry | {"factory": choice.model, "weights": weights, "input": {"shape": list(choice.shape)}}
    if choice.weights is not None or choice.shape:
        raise ConfigError("--weights and --shape go with a factory, --model package.module:function")
    place = _place(choice.model, folder, "--model")
    return entry | {"program" if choice.model.endswith(".pt2") else "source": place}


def _place(path: str, folder: Path, option: str) -> str:
    """A path as params.yaml writes it: below the workspace relative, elsewhere absolute; a hub id as it is."""
    found = Path(path)
    if found.exists():
        absolute, root = found.resolve(), folder.resolve()
        return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_posix()
    if is_hub_id(path, Path()):
        return path
    raise InputError(f"{option}: no such file or folder: {path}")


def _name(model: str) -> str:
    stem = model.partition(":")[0].rsplit(".", 1)[-1] if ":" in model else Path(model).name.removesuffix(".pt2")
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]+", "-", stem.lower())).strip("-_") or "model"


def _columns(choice: Choice, task: str) -> dict[str, str]:
    """Columns by role, checked against the header of a local file."""
    roles = _ROLES[task]
    unknown = [role for role in choice.columns if role not in ("text", "image", "label", "input")]
    if unknown:
        near = nearest(unknown[0], roles)
        raise ConfigError(f"--column: unknown role '{unknown[0]}'{near}; roles: {', '.join(roles)}")
    if task == "image-classification" and "input" in choice.columns:
        roles = ("input", "label")
    found = header(Path(choice.data))
    columns = {role: choice.columns.get(role, role) for role in roles}
    for role, column in columns.items():
        if found is not None and column not in found:
            raise ConfigError(f"--column: {choice.data} has no column '{column}'{nearest(column, found)};"
                              f" give --column {role}=NAME of: {', '.join(found)}")
    return columns if found is not None or choice.columns else {}


def header(path: Path) -> list[str] | None:
    """Column names of a parquet or CSV file; None for what has none.

    Raises:
        InputError: a parquet file that is none.
    """
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return next(csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), None)
    if path.is_file() and path.suffix.lower() == ".parquet":
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_schema

        try:
            return list(read_schema(path).names)
        except ArrowInvalid as error:
            raise InputError(f"{path.name}: not readable as parquet: {first_line(error)}") from error
    return None


def _rows(path: Path) -> int | None:
    """Rows of a parquet or CSV file, where each is a sample."""
    if path.is_file() and path.suffix.lower() == ".parquet":
        from pyarrow.parquet import read_metadata

        return int(read_metadata(path).num_rows)
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1
    return None


def _scheme(task: str, target: str) -> tuple[str, str]:
    """The recipe and the scheme that suit the task best among those that the target can do."""
    from edgewright import targets

    order = ("w4a8-dynamic", "w8a8-dynamic", "w8a8") if task == TASKS[0] else ("w8a8", "w8a8-dynamic")
    for scheme in order:
        try:
            targets.check_scheme(targets.load(target), parse(GqScheme, _SCHEMES[scheme], scheme), scheme)
        except ConfigError:
            continue
        return ("awq-w4" if scheme == "w4a8-dynamic" else "none"), scheme
    raise ConfigError(f"--target: {target} can do none of the usual schemes; write params.yaml by hand")

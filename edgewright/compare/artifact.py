"""An artifact of any stage, opened to be compared: a model, a checkpoint, a Program or what was compiled from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule

from edgewright import ir, targets
from edgewright.compare import onnx
from edgewright.compare.match import match
from edgewright.compare.values import Value, places, values
from edgewright.errors import InputError
from edgewright.models import load as models
from edgewright.models.spec import FILE as MODEL
from edgewright.targets import manifest

PROGRAM = "program.pt2"

Array = NDArray[Any]
Run = Callable[[tuple[Array, ...]], tuple[tuple[Array, ...], Mapping[str, Array]]]
"""One batch of inputs to the outputs, and the inner tensors by name."""


@dataclass(frozen=True, slots=True)
class Signature:
    """An input: its shape without the batch dimension, and its dtype."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled artifact: what it lets one see, and how it is run."""

    values: tuple[Value, ...]
    run: Run


@dataclass(frozen=True, slots=True)
class Artifact:
    """One side of a comparison.

    Attributes:
        name: what a person calls it.
        inputs: its signature.
        batch: the batch size that it takes; None for any.
        content: the unlifted Program, or what was compiled.
        notes: what could not be looked into.
    """

    name: str
    inputs: tuple[Signature, ...]
    batch: int | None
    content: GraphModule | Compiled
    notes: tuple[str, ...] = ()


def load(path: Path, name: str, workspace: Path, *, batch: int = 1, source: Path | None = None) -> Artifact:
    """The artifact in a `.pt2` file or in a stage's folder.

    Args:
        path: a file, or a folder with `model.json`, `program.pt2` or `manifest.json`.
        name: what messages call it.
        workspace: where the factory of a model is looked for.
        batch: batch size that a model is exported with where it admits one only.
        source: the Program that a compiled artifact was made from, where it is known: its provenance.

    Raises:
        InputError: there is no such artifact, or it cannot be read.
    """
    if path.is_file() and path.suffix == ".pt2":
        return _program(name, ir.load(path))
    if path.is_dir() and (path / PROGRAM).is_file():
        return _program(name, ir.load(path / PROGRAM))
    if path.is_dir() and (path / manifest.FILE).is_file():
        return _compiled(path, name, source)
    if path.is_dir() and (path / MODEL).is_file():
        return _program(name, models.export(models.load(path, workspace), batch))
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    raise InputError(f"{path}: not an artifact: a .pt2 file, or a folder with {MODEL}, {PROGRAM} or {manifest.FILE}")


def _program(name: str, program: torch.export.ExportedProgram) -> Artifact:
    found = ir.user_inputs(program).values()
    sizes = [value.shape[0] for value in found if value.dim()]
    batch = next((int(size) for size in sizes if isinstance(size, int)), None)
    inputs = tuple(
        Signature(tuple(int(size) for size in value.shape[1:]), str(value.dtype).removeprefix("torch."))
        for value in found
    )
    ir.register()
    return Artifact(name, inputs, batch, ir.unlift(program))


def _compiled(folder: Path, name: str, source: Path | None) -> Artifact:
    content = manifest.load(folder)
    inputs = tuple(Signature(tuple(item["shape"][1:]), item["dtype"]) for item in content["inputs"])
    batch = int(content["inputs"][0]["shape"][0])
    target = targets.load(content["target"])
    adapter = targets.adapter(target)
    found: tuple[Value, ...] = ()
    run: Run
    notes: tuple[str, ...] = ()
    if content["toolchain"] == onnx.TOOLCHAIN:
        found, run = onnx.open_model(folder / content["artifact"])
        if source is not None and source.is_file():
            program = ir.unlift(ir.load(source))
            found = _with_provenance(found, values(program, places(program)))
    else:
        session = adapter.session(folder, target, 1)
        run = _outputs(session)
        notes = (f"{name}: outputs alone are compared; {adapter.RUNTIME} shows no tensor inside of what it runs",)
    return Artifact(name, inputs, batch, Compiled(found, run), notes)


def _outputs(session: Callable[[tuple[Array, ...]], Array]) -> Run:
    def run(inputs: tuple[Array, ...]) -> tuple[tuple[Array, ...], Mapping[str, Array]]:
        return (np.asarray(session(inputs)),), {}

    return run


def _with_provenance(found: tuple[Value, ...], program: list[Value]) -> tuple[Value, ...]:
    """Compiled tensors with the origins of the Program's: a toolchain keeps modules, but no provenance."""
    known = {second.name: first for first, second in match(program, found).pairs}
    return tuple(
        replace(value, origins=origin.origins, module=origin.module, scope=origin.scope, layer=origin.layer)
        if (origin := known.get(value.name)) is not None
        else value
        for value in found
    )

"""How the artifact of each stage is run: modules and Programs by PyTorch, compiled ones by their own runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edgewright import ir, targets
from edgewright.evaluate.evaluate import Run
from edgewright.files import read_json
from edgewright.models.load import LoadedModel
from edgewright.targets import Target

_BATCH = {"language-modeling": 8}
_DEFAULT_BATCH = 100


@dataclass(frozen=True, slots=True)
class Runner:
    """An artifact ready to run.

    Attributes:
        run: one batch of inputs, each [N, ...], to logits [N, ...].
        batch: samples that one call takes.
        runtime: what runs it.
        size_bytes: size of the artifact in bytes.
    """

    run: Run
    batch: int
    runtime: str
    size_bytes: int


def from_model(model: LoadedModel, size_bytes: int) -> Runner:
    """A float model or an aq checkpoint, run by PyTorch."""
    return Runner(_call(model.module), _batch(model.spec.task), "pytorch", size_bytes)


def from_program(path: Path, task: str) -> Runner:
    """A Program in a `.pt2` file, run by PyTorch."""
    program = ir.load(path)
    size = ir.example_inputs(program, _batch(task))[0][0].shape[0]
    return Runner(_call(ir.unlift(program)), size, "pytorch", ir.constant_bytes(program))


def from_artifact(folder: Path, target: Target, batch: int) -> Runner:
    """A compiled artifact, run on one thread by its runtime, or by the simulator of a device that is not here."""
    manifest = read_json(folder / "manifest.json")
    adapter = targets.adapter(target)
    return Runner(_padded(adapter.session(folder, target, 1), batch), batch, adapter.RUNTIME, manifest["size_bytes"])


def _padded(run: Run, batch: int) -> Run:
    """`run`, which takes `batch` samples and no fewer, for the last samples too."""

    def padded(inputs: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
        count = len(inputs[0])
        if count == batch:
            return run(inputs)
        filled = tuple(np.concatenate([value, np.repeat(value[-1:], batch - count, axis=0)]) for value in inputs)
        return run(filled)[:count]

    return padded


def _batch(task: str) -> int:
    return _BATCH.get(task, _DEFAULT_BATCH)


def _call(module: nn.Module) -> Run:
    def run(inputs: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            logits: torch.Tensor = module(*(torch.from_numpy(np.ascontiguousarray(value)) for value in inputs))
        return cast(npt.NDArray[np.float32], logits.numpy())

    return run

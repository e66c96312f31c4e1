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
from edgewright.models.load import LoadedModel
from edgewright.targets import Target, manifest

_BATCH = {"language-modeling": 8}
_DEFAULT_BATCH = 100


@dataclass(frozen=True, slots=True)
class Runner:
    """An artifact ready to run.

    Attributes:
        run: one batch of inputs, each [N, ...] with any N, to logits [N, ...].
        batch: samples that an evaluation gives to one call.
        runtime: what runs it.
        size_bytes: size of the artifact in bytes.
    """

    run: Run
    batch: int
    runtime: str
    size_bytes: int


def from_model(model: LoadedModel, size_bytes: int) -> Runner:
    """A float model or an aq checkpoint, run by PyTorch."""
    run, batch = _call(model.module), _batch(model.spec.task)
    return Runner(_in_batches(run, model.batch) if model.batch else run, batch, "pytorch", size_bytes)


def from_program(path: Path, task: str) -> Runner:
    """A Program in a `.pt2` file, run by PyTorch."""
    program = ir.load(path)
    inputs, dynamic = ir.example_inputs(program, _batch(task))
    run, batch = _call(ir.unlift(program)), len(inputs[0])
    return Runner(run if dynamic[0] else _in_batches(run, batch), batch, "pytorch", ir.constant_bytes(program))


def from_artifact(folder: Path, target: Target, batch: int) -> Runner:
    """A compiled artifact, run on one thread by its runtime, or by the simulator of a device that is not here."""
    adapter = targets.adapter(target)
    run = adapter.session(folder, target, 1)
    return Runner(_in_batches(run, batch), batch, adapter.RUNTIME, manifest.load(folder)["size_bytes"])


def _in_batches(run: Run, size: int) -> Run:
    """`run`, which takes `size` samples and no other count, for any count: the last batch is filled up."""

    def whole(inputs: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
        count = len(inputs[0])
        missing = -count % size
        filled = [np.concatenate([value, np.repeat(value[-1:], missing, axis=0)]) for value in inputs]
        starts = range(0, count, size)
        return np.concatenate([run(tuple(value[start : start + size] for value in filled)) for start in starts])[:count]

    return whole


def _batch(task: str) -> int:
    return _BATCH.get(task, _DEFAULT_BATCH)


def _call(module: nn.Module) -> Run:
    def run(inputs: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            logits: torch.Tensor = module(*(torch.from_numpy(np.ascontiguousarray(value)) for value in inputs))
        return cast(npt.NDArray[np.float32], logits.numpy())

    return run

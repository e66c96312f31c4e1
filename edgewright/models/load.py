"""Bring a configured model into a folder of its own, and load it from there."""

import shutil
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from edgewright import ir
from edgewright.config import ModelEntry
from edgewright.errors import InputError
from edgewright.models import factory, huggingface, quantized, weights
from edgewright.models.checkpoints import native
from edgewright.models.spec import InputSpec, ModelSpec

WEIGHTS = "model.safetensors"
PROGRAM = "model.pt2"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A module ready to run, and what is known of it.

    Attributes:
        module: evaluation mode, no gradients, float32 unless loaded as stored; forward takes the inputs of `spec`
            by position, with a leading batch dimension, and returns one tensor of logits.
        spec: the content of `model.json`.
        folder: where it was loaded from.
        batch: the batch size of an exported program that admits only one, else None.
    """

    module: nn.Module
    spec: ModelSpec
    folder: Path
    batch: int | None = None


def fetch(entry: ModelEntry, folder: Path, workspace: Path) -> ModelSpec:
    """Copy the model of a params.yaml entry into `folder`, check that it loads and exports, write `model.json`.

    Raises:
        ConfigError: the factory does not exist.
        InputError: the weights do not fit or are not finite, or the model does not export.
    """
    batch = None
    if entry.source is not None:
        local = workspace / entry.source
        huggingface.fetch(str(local) if local.is_dir() else entry.source, folder)
        module = huggingface.load(folder, entry.task)
        inputs = huggingface.inputs(folder, entry)
    elif entry.factory is not None and entry.weights is not None and entry.input is not None:
        module = factory.build(entry.factory, workspace)
        weights.fit(module, weights.read(workspace / entry.weights), entry.weights)
        weights.write(module.state_dict(), folder / WEIGHTS)
        inputs = (InputSpec(factory.input_name(module), entry.input.shape, entry.input.dtype),)
    else:
        path = workspace / str(entry.program)
        if not path.is_file():
            raise InputError(f"{path}: no such exported program")
        module, inputs, batch = _from_program(path)
        shutil.copyfile(path, folder / PROGRAM)
    distinct = {tensor.data_ptr(): tensor.numel() for tensor in module.parameters()}
    integers = quantized.quantized_modules(module).values()
    for name, tensor in module.named_parameters():
        if not weights.is_finite(tensor):
            raise InputError(f"{entry.source or entry.weights or entry.program}: '{name}' holds NaN or infinite values")
    spec = ModelSpec(
        kind="huggingface" if entry.source else "factory" if entry.factory else "program",
        task=entry.task,
        inputs=inputs,
        parameters=sum(distinct.values()) + sum(prod(item.format.shape) for item in integers),
        labels=entry.labels,
        vocabulary=huggingface.vocabulary(folder) if entry.task == "language-modeling" and entry.source else None,
        factory=entry.factory,
        preprocess=_preprocess(entry, folder),
    )
    export(LoadedModel(module, spec, folder, batch), entry.export.batch)
    spec.write(folder)
    return spec


def load(folder: Path, workspace: Path = Path(), dtype: Literal["float32", "stored"] = "float32") -> LoadedModel:
    """The model in a folder that the model stage or the aq stage wrote.

    Args:
        folder: `model.json` beside the weights; with `quantization.json`, or a `quantization_config` in config.json,
            it has layers with integer weights.
        workspace: where the module of a factory is looked for.
        dtype: of a Hugging Face model's float weights: float32, or `stored`, as they are in the file.
    """
    spec = ModelSpec.read(folder)
    batch = None
    if spec.kind == "huggingface":
        module = huggingface.load(folder, spec.task, dtype)
    elif spec.kind == "factory":
        module = factory.build(str(spec.factory), workspace)
        if (folder / native.FILE).is_file():
            native.prepare(module, folder)
        weights.fit(module, weights.read(folder / WEIGHTS), str(folder / WEIGHTS))
    else:
        module, _, batch = _from_program(folder / PROGRAM)
    return LoadedModel(module, spec, folder, batch)


def export(model: LoadedModel, batch: int = 1) -> torch.export.ExportedProgram:
    """The model's Program, its batch dimension dynamic where it allows that, else of size `batch`."""
    shapes = [(item.shape, getattr(torch, item.dtype)) for item in model.spec.inputs]
    return ir.export(model.module, shapes, batch)


def _from_program(path: Path) -> tuple[nn.Module, tuple[InputSpec, ...], int | None]:
    program = ir.read(path)
    values = ir.user_inputs(program)
    inputs = []
    for name, value in values.items():
        if any(isinstance(size, torch.SymInt) for size in value.shape[1:]):
            raise InputError(f"{path}: input '{name}' has a dynamic dimension beside the batch; export it static")
        shape = tuple(int(size) for size in value.shape[1:])
        inputs.append(InputSpec(name, shape, str(value.dtype).removeprefix("torch.")))
    sizes = [value.shape[0] for value in values.values() if value.dim()]
    batch = next((size for size in sizes if isinstance(size, int)), None)
    return ir.unlift(program), tuple(inputs), batch


def _preprocess(entry: ModelEntry, folder: Path) -> dict[str, object]:
    is_described = entry.source is not None and entry.task == "image-classification"
    if is_described and "preprocess" not in entry.model_fields_set:
        described = huggingface.preprocess(folder)
        if described is not None:
            return described
    return entry.preprocess.model_dump(mode="json")

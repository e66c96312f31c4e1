"""The models of the benchmark, and their calibration and evaluation samples, prepared once in a folder each."""

import json
import os
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgewright.config import DataSource, ModelEntry
from edgewright.datasets import Sample, draw
from edgewright.models.load import fetch
from edgewright.models.spec import ModelSpec
from tests.support import ROOT, entry_of

SAMPLES = 128
"""Calibration samples: windows of 256 tokens, or images."""
OUTLIERS = {"channels": 4, "factor": 32.0}
"""Planted in every norm of a model whose name ends in `-outliers`: input channels, and how much they are scaled up."""
_OUTLIERS = "-outliers"


@dataclass(frozen=True)
class Source:
    """A shipped model: the folder of it, its texts, and the feed-forward width that it is zero-padded to."""

    folder: str
    data: str
    width: int | None = None


SOURCES = {
    "stories260k": Source("stories260k_llama", "tinystories", 192),
    "english": Source("english_llama", "english"),
    "resnet8": Source("resnet8_cifar10", "cifar10"),
    "resnet20": Source("resnet20_cifar10", "cifar10"),
}


def base(name: str) -> str:
    """The model that a variant is of."""
    return name.removesuffix(_OUTLIERS)


def is_language(name: str) -> bool:
    """Whether it is a language model."""
    return SOURCES[base(name)].data != "cifar10"


def factory(name: str) -> str:
    """The module that builds a classifier; empty for a language model."""
    return "" if is_language(name) else f"data.samples.models.{SOURCES[name].folder}.model"


def prepare(name: str, home: Path) -> Path:
    """The model's folder, made if it is not there yet; a crash leaves none that looks whole."""
    folder = home / "models" / name
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if is_language(name):
        _language(name, partial)
    else:
        fetch(entry_of(SOURCES[name].folder), partial, ROOT)
    partial.rename(folder)
    return folder


def _language(name: str, folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    source = SOURCES[base(name)]
    original = ROOT / "data/samples/models" / source.folder
    model = AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32).eval()
    if source.width is not None:
        _widen(model, source.width)
    if name.endswith(_OUTLIERS):
        import_module("benchmarks.outliers").plant(model, seed=0, **OUTLIERS)
    made = folder / "source"
    model.save_pretrained(made)
    for file in original.glob("tokenizer*"):
        shutil.copyfile(file, made / file.name)
    entry = ModelEntry.model_validate({
        "task": "language-modeling", "source": str(made.resolve()), "calibration": "c", "holdout": "h",
    })
    fetch(entry, folder, ROOT)
    shutil.rmtree(made)


@torch.no_grad()
def _widen(model: nn.Module, width: int) -> None:
    """Fill the feed-forward layers up with hidden units of weight 0: the same function, and groups that divide."""
    for module in list(model.modules()):
        for child in ("gate_proj", "up_proj", "down_proj"):
            linear = getattr(module, child, None)
            if isinstance(linear, nn.Linear):
                axis = 1 if child == "down_proj" else 0
                missing = width - linear.weight.shape[axis]
                pad = (0, missing) if axis else (0, 0, 0, missing)
                wide = nn.Linear(*((width, linear.out_features) if axis else (linear.in_features, width)), bias=False)
                wide.weight.copy_(nn.functional.pad(linear.weight, pad))
                setattr(module, child, wide)
    config: Any = model.config
    config.intermediate_size = width


def _draw(name: str, folder: Path, part: str, samples: int | None, seed: int, exclude: Sample | None) -> Sample:
    source = SOURCES[base(name)]
    columns = {"text": "text"} if is_language(name) else {"image": "image", "label": "label"}
    data = DataSource.model_validate({
        "source": f"data/samples/{source.data}_{part}.parquet", "columns": columns, "samples": samples, "seed": seed,
    })
    return draw(data, folder, ModelSpec.read(folder), exclude=exclude, workspace=ROOT).sample


def holdout(name: str, home: Path, every: int) -> Sample:
    """Every n-th window of the evaluation text, or every n-th test image."""
    folder = prepare(name, home)
    path = home / "samples" / f"{base(name)}-holdout.parquet"
    if not path.is_file():
        part = "eval" if is_language(name) else "test"
        _draw(name, folder, part, None, 0, None).save(path)
    sample = Sample.load(path)
    labels = None if sample.labels is None else sample.labels[::every]
    return Sample({key: array[::every] for key, array in sample.inputs.items()}, labels)


def calibration(name: str, home: Path, seed: int) -> Path:
    """A .npy file of the calibration sample of a seed; its rows are not in the evaluation sample."""
    path = home / "samples" / f"{base(name)}-calibration-{seed}.npy"
    if not path.is_file():
        folder = prepare(name, home)
        sample = _draw(name, folder, "calib", SAMPLES, seed, holdout(name, home, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(f".{os.getpid()}").open("wb") as file:
            np.save(file, next(iter(sample.inputs.values())))
        path.with_suffix(f".{os.getpid()}").rename(path)
    return path


def llama(home: Path, name: str, **sizes: int) -> Path:
    """A folder with a Llama of given sizes and random weights, written block by block, and a model.json."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = home / "models" / name
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=512, max_position_embeddings=512, tie_word_embeddings=True, **sizes)
    model = LlamaForCausalLM(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    model.save_pretrained(partial)
    text = {
        "schema": 1, "kind": "huggingface", "task": "language-modeling", "parameters": parameters, "labels": [],
        "inputs": [{"name": "input_ids", "shape": [512], "dtype": "int64"}], "vocabulary": 512, "factory": None,
        "preprocess": {}, "float_bytes": 4 * parameters,
    }
    (partial / "model.json").write_text(json.dumps(text))
    # Some packages load a tokenizer although they are given tokens.
    for file in (ROOT / "data/samples/models/stories260k_llama").glob("tokenizer*"):
        shutil.copyfile(file, partial / file.name)
    partial.rename(folder)
    return folder


def random_tokens(home: Path, samples: int, tokens: int) -> Path:
    """A .npy file of random token ids below 512."""
    path = home / "samples" / f"random-{samples}x{tokens}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(0).integers(0, 512, (samples, tokens)))
    return path

"""The models of the benchmark, their calibration and test inputs, and what of their output is compared."""

import io
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.export import ExportedProgram

from benchmarks.aq import models as language
from benchmarks.gq import networks
from benchmarks.gq.evaluation import Inputs, Logits
from edgewright import ir
from edgewright.models.load import export, fetch, load
from tests.support import ROOT, SAMPLES, entry_of

FOLDERS = {
    "resnet8": "resnet8_cifar10", "resnet20": "resnet20_cifar10", "toycar": "autoencoder_toycar",
    "stories260k": "stories260k_llama", "english": "english_llama",
}
CLASSIFIERS = ("resnet8", "resnet20")
LANGUAGE = ("stories260k", "english")
_WINDOWS = {"stories260k": 64, "english": 32}
"""Test windows of 256 tokens."""
_HOME = ROOT / ".edgewright/bench"
_SPECTROGRAM = (-35.0, 12.0)
"""Mean and standard deviation of the log mel energies that ToyCar was trained on, in dB."""


@dataclass(frozen=True, slots=True)
class Data:
    """Preprocessed inputs [n, ...], and the right class of each compared row; None where there are no classes."""

    inputs: Inputs
    labels: NDArray[np.int64] | None


def batch(model: str) -> int:
    """Inputs that run at once."""
    return 4 if model in LANGUAGE else 16 if model in networks.NETWORKS else 250


def rows(model: str, output: Logits) -> Logits:
    """The rows [m, classes] that are compared: of a language model those of the tokens that have a next one."""
    return output[:, :-1].reshape(-1, output.shape[-1]) if model in LANGUAGE else output


@cache
def data(model: str, split: str) -> Data:
    """Inputs of a split (`calib`, `test`) as `model` wants them."""
    if model in CLASSIFIERS:
        return _images(model, split)
    if model in LANGUAGE:
        if split == "calib":
            return Data(np.load(language.calibration(model, _HOME, 0)), None)
        (tokens,) = language.holdout(model, _HOME, 1).inputs.values()
        chosen = np.linspace(0, len(tokens) - 1, _WINDOWS[model]).round().astype(np.int64)
        return Data(tokens[chosen], tokens[chosen][:, 1:].reshape(-1))
    seed = 0 if split == "calib" else 1
    count, shape, (mean, deviation) = 500, (640,), _SPECTROGRAM
    if model in networks.NETWORKS:
        count, shape, (mean, deviation) = 64, networks.NETWORKS[model][1], (0.0, 1.0)
    made = np.random.default_rng(seed).normal(mean, deviation, (count, *shape))
    return Data(made.astype(np.float32), None)


def _images(model: str, split: str) -> Data:
    table = pq.read_table(SAMPLES / f"cifar10_{split}.parquet").to_pydict()
    pixels = [np.asarray(Image.open(io.BytesIO(item["bytes"])).convert("RGB")) for item in table["image"]]
    images = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32)
    chosen = entry_of(FOLDERS[model]).preprocess
    scaled = images * np.float32(1.0 if chosen.scale is None else chosen.scale)
    for values, apply in ((chosen.mean, np.subtract), (chosen.std, np.divide)):
        if values is not None:
            scaled = apply(scaled, np.asarray(values, dtype=np.float32).reshape(-1, 1, 1))
    return Data(scaled.astype(np.float32), np.asarray(table["label"]))


def network(model: str) -> torch.nn.Module:
    """The float module of a language model, new each time."""
    return load(language.prepare(model, _HOME), ROOT).module


@cache
def exported(model: str) -> ExportedProgram:
    """The float Program of a model, as exported."""
    if model in networks.NETWORKS:
        return ir.export(networks.make(model), [(networks.NETWORKS[model][1], torch.float32)], 1)
    if model in LANGUAGE:
        return export(load(language.prepare(model, _HOME), ROOT))
    with tempfile.TemporaryDirectory() as folder:
        fetch(entry_of(FOLDERS[model]), Path(folder), ROOT)
        return export(load(Path(folder), ROOT))


def write(model: str, folder: Path) -> dict[str, Path]:
    """The files that the workers read, made once: the network as ONNX, prepared, and its inputs."""
    names = ("float.onnx", "calibration.npy", "test.npy")
    paths = {name: folder / f"{model}-{name}" for name in names}
    if not all(path.is_file() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        inputs = data(model, "calib").inputs
        _to_onnx(exported(model).module(check_guards=False), inputs[:2], paths["float.onnx"])
        np.save(paths["calibration.npy"], inputs)
        np.save(paths["test.npy"], data(model, "test").inputs)
    return {"onnx": paths["float.onnx"], "calibration": paths["calibration.npy"], "test": paths["test.npy"]}


def _to_onnx(module: torch.nn.Module, example: Inputs, path: Path) -> None:
    torch.onnx.export(
        module, (torch.from_numpy(example),), str(path), dynamo=True, opset_version=21, verbose=False,
        input_names=["x"], dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
    )  # fmt: skip

"""What users get wrong: one clear line and the exit code of the design, before any compute where it can be known."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import save_file

from tests.support import ROOT, search_path

NETS = '''
import torch
from torch import nn

class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))

def branching():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), Branch())
'''


class Payload:
    def __reduce__(self):
        return os.system, ("touch pickled-code-ran",)


def edgewright(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": search_path()}
    command = [sys.executable, "-m", "edgewright", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "workspace"
    done = edgewright(ROOT, "init", str(folder), "--sample")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def workspace(base):
    default = (base / "params.yaml").read_text()
    yield base
    (base / "params.yaml").write_text(default)


def change(folder: Path, *edits) -> None:
    document = yaml.safe_load((folder / "params.yaml").read_text())
    for path, value in edits:
        *parents, leaf = path
        entry = document
        for part in parents:
            entry = entry[part]
        entry[leaf] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(document))


def refused(folder: Path, code: int, *parts: str, command: str = "run") -> None:
    done = edgewright(folder, command)
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert lines
    assert any(all(part in line for part in parts) for line in lines), done.stderr
    assert "Traceback" not in done.stderr
    for stage in ("model", "holdout", "calibration", "aq"):
        assert not (folder / "data" / stage).exists()


def test_unknown_key(workspace):
    change(workspace, (("aq", "awq-w4", "grup"), 32))
    refused(workspace, 2, "params.yaml", "aq.awq-w4.grup", "did you mean 'group'?")


def test_misspelt_algorithm(workspace):
    change(workspace, (("aq", "awq-w4", "algorithms"), ["aqw"]))
    refused(workspace, 2, "aq.awq-w4", "'aqw'", "did you mean 'awq'?")


def test_misspelt_target(workspace):
    change(workspace, (("variants", 0, "target"), "xnpack"))
    refused(workspace, 2, "'xnpack'", "did you mean 'xnnpack'?")


def test_missing_file(workspace):
    change(workspace, (("models", "resnet8", "weights"), "data/samples/models/resnet8_cifar10/weights.safetensors"))
    refused(workspace, 2, "models.resnet8.weights", "no such file")


def test_missing_data(workspace):
    change(workspace, (("data", "cifar10-calib", "source"), "data/samples/cifar_calib.parquet"))
    refused(workspace, 2, "data.cifar10-calib.source", "cifar_calib.parquet")


def test_dataset_without_the_column(workspace):
    change(workspace, (("data", "cifar10-calib", "columns"), {"image": "img", "label": "label"}))
    refused(workspace, 3, "cifar10_calib.parquet", "'img'", "image")


def test_scheme_that_the_target_cannot_do(workspace):
    change(workspace, (("variants", 1, "gq"), "w4a8-dynamic"), (("variants", 1, "target"), "ethos-u85-256"))
    refused(workspace, 2, "ethos-u85-256", "w4a8-dynamic", "conv2d")


def test_corrupt_parquet(workspace):
    source = (workspace / "data/samples/cifar10_calib.parquet").read_bytes()
    (workspace / "data/samples/corrupt.parquet").write_bytes(source[:5000])
    change(workspace, (("data", "cifar10-calib", "source"), "data/samples/corrupt.parquet"))
    refused(workspace, 3, "corrupt.parquet")


def entry(**origin):
    samples = {"calibration": "noise", "holdout": "noise-held-out"}
    return {"task": "regression", "input": {"shape": [8]}, **samples, **origin}


@pytest.fixture(scope="module")
def broken(base, tmp_path_factory):
    """A workspace in which each of five models is wrong in its own way, run once; its output."""
    folder = tmp_path_factory.mktemp("broken") / "workspace"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("samples"))
    (folder / "nets.py").write_text(NETS)
    weights = {"0.weight": torch.ones(16, 8), "0.bias": torch.zeros(16), "2.weight": torch.ones(4, 16) / 16,
               "2.bias": torch.zeros(4)}
    save_file(weights, folder / "mlp.safetensors")
    save_file({"0.weight": torch.ones(7, 8), "0.bias": torch.zeros(7)}, folder / "other.safetensors")
    save_file({"0.weight": torch.eye(8), "0.bias": torch.zeros(8)}, folder / "branching.safetensors")
    torch.save({"0.weight": Payload()}, folder / "code.pt")
    rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    rows[7, 3] = np.nan
    pq.write_table(pa.table({"x": pa.array(list(rows))}), folder / "nan.parquet")
    document = {
        "models": {
            "other-weights": entry(factory="nets:mlp", weights="other.safetensors"),
            "pickled": entry(factory="nets:mlp", weights="code.pt"),
            "branching": entry(factory="nets:branching", weights="branching.safetensors"),
            "nan": entry(factory="nets:mlp", weights="mlp.safetensors") | {"calibration": "nan"},
            "large": entry(factory="nets:mlp", weights="mlp.safetensors"),
        },
        "data": {
            "noise": {"synthetic": {}, "samples": 32, "seed": 1},
            "noise-held-out": {"synthetic": {}, "samples": 32, "seed": 2},
            "nan": {"source": "nan.parquet", "columns": {"input": "x"}},
        },
        "aq": {"none": {}},
        "gq": {"none": {}, "w8a8": {"weights": {"bits": 8}, "activations": {"bits": 8, "mode": "static"}}},
        "variants": [
            {"model": ["other-weights", "pickled", "branching", "nan"], "gq": "w8a8", "target": "onnxruntime"},
            {"model": "large", "gq": "w8a8", "target": "onnxruntime", "accept": {"size_bytes": 10}},
        ],
        "evaluate": {}, "profile": {"runs": 3, "warmup": 1},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    done = edgewright(folder, "run")
    return folder, done


@pytest.mark.parametrize("parts", [
    ("model@other-weights", "other.safetensors", "does not fit the model", "2.bias"),
    ("model@pickled", "code.pt", "refused"),
    ("model@branching", "module '1' does not export"),
    ("calibration@nan--nan", "nan.parquet", "column 'x'", "1 of 40 rows", "finite"),
])
def test_a_wrong_model_or_its_data(broken, parts):
    folder, done = broken
    assert done.returncode == 3, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert any(all(part in line for part in parts) for line in lines), done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "pickled-code-ran").exists()
    assert not list((folder / "data").glob("aq/nan--*"))


def test_the_others_finished_and_one_missed_its_budget(broken):
    folder, _ = broken
    assert list((folder / "data/compile").glob("large--*--w8a8/model.onnx"))
    done = edgewright(folder, "run", "large--none--w8a8--onnxruntime")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "rejected" in done.stderr
    assert "size_bytes" in done.stderr


def test_integers_that_the_scheme_cannot_carry(workspace):
    change(workspace, (("aq", "awq-w4", "group"), 64))
    refused(workspace, 2, "variants[0]", "aq.awq-w4", "in groups of 64", "in groups of 32")


def test_a_recipe_for_an_exported_program(workspace):
    shutil.copyfile(workspace / "params.yaml", workspace / "net.pt2")
    lm = yaml.safe_load((workspace / "params.yaml").read_text())["models"]["english-llama"]
    change(workspace, (("models", "english-llama"), {**lm, "source": None, "program": "net.pt2"}))
    refused(workspace, 2, "variants[0].aq", "exported program", "aq: none")

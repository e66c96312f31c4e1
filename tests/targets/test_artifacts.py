"""What all adapters promise, on one network."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewright import targets
from edgewright.files import sha256_file
from tests.targets.conftest import DEVICES

NAMES = DEVICES
STEP = 0.04

COMPILE_ALL = """
import sys, numpy, torch
from pathlib import Path
from edgewright import targets
from edgewright import ir
ir.register()
program = torch.export.load(sys.argv[1])
for name in sys.argv[2:]:
    target = targets.load(name)
    adapter = targets.adapter(target)
    adapter.compile(program, target, Path(name), batch_inputs=(numpy.zeros((1, 3, 12, 12), numpy.float32),))
"""


@pytest.mark.parametrize("name", NAMES)
def test_artifact_computes_the_program(
    name: str, compiled: Callable[[str], Path], network: torch.export.ExportedProgram, image: np.ndarray
) -> None:
    target = targets.load(name)
    adapter = targets.adapter(target)
    run = adapter.session(compiled(name), target, 1)
    for seed in range(5):
        batch = np.random.default_rng(seed).normal(size=image.shape).astype(np.float32)
        expected = network.module(check_guards=False)(torch.from_numpy(batch)).detach().numpy()
        assert np.abs(run((batch,)) - expected).max() <= 1.01 * STEP


@pytest.mark.parametrize("name", NAMES)
def test_manifest_states_the_artifact(name: str, compiled: Callable[[str], Path]) -> None:
    folder = compiled(name)
    manifest = json.loads((folder / "manifest.json").read_text())
    artifact = folder / manifest["artifact"]
    assert manifest["sha256"] == sha256_file(artifact)
    assert manifest["size_bytes"] == artifact.stat().st_size
    assert manifest["delegates"] == 1
    assert {item["operator"] for item in manifest["not_delegated"]} <= {"quantize_per_tensor", "dequantize_per_tensor"}
    assert all("+" not in version for version in manifest["versions"].values())
    (tensor,), (output,) = manifest["inputs"], manifest["outputs"]
    assert tensor["shape"] == [1, 3, 12, 12]
    assert (output["name"], output["shape"]) == ("output", [1, 10])
    shift = 128 if name in ("onnxruntime", "openvino") else 0
    assert tensor["quantization"] == {"scale": 0.03, "zero_point": shift, "dtype": "uint8" if shift else "int8"}
    assert output["quantization"]["zero_point"] == 5 + shift


def test_equal_bytes_in_another_folder_process_and_hash_seed(
    compiled: Callable[[str], Path], network: torch.export.ExportedProgram, tmp_path: Path
) -> None:
    program = tmp_path / "program.pt2"
    torch.export.save(network, program)
    root = str(Path(targets.__file__).parents[2])
    environment = {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", COMPILE_ALL, str(program), *NAMES], cwd=tmp_path, env=environment, check=True)
    for name in NAMES:
        first = {file.name: file.read_bytes() for file in compiled(name).iterdir()}
        second = {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        assert first.keys() == second.keys()
        assert [file for file in first if first[file] != second[file]] == [], name
        for content in first.values():
            assert str(compiled(name)).encode() not in content


@pytest.mark.parametrize("name", NAMES)
def test_example_runs(name: str, compiled: Callable[[str], Path]) -> None:
    example = compiled(name) / "example.py"
    root = str(Path(targets.__file__).parents[2])
    environment = {"PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(example)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip().splitlines()[-1] == "(1, 10)"

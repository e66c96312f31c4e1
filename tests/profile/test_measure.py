import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import targets
from edgewright.errors import InputError
from edgewright.files import write_json
from edgewright.profile import measure
from edgewright.profile.memory import peak_memory

KEYS = {
    "schema", "estimate", "source", "threads", "runs", "host", "latency_ms", "memory_bytes", "cycles", "sram_bytes",
    "flash_bytes", "operators",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """The folder of a float linear of a width for a target; each is compiled once."""

    @cache
    def build(name: str, width: int) -> Path:
        folder = tmp_path_factory.mktemp(name)
        target = targets.load(name)
        adapter = targets.adapter(target)
        with torch.no_grad():
            program = torch.export.export(nn.Sequential(nn.Linear(64, width)).eval(), (torch.zeros(1, 64),))
        adapter.compile(program, target, folder, batch_inputs=(np.zeros((1, 64), np.float32),))
        return folder

    return build


def test_profile_of_an_artifact_that_runs(built: Callable[[str, int], Path], tmp_path: Path) -> None:
    folder, target = built("onnxruntime", 32), targets.load("onnxruntime")
    inputs = (np.ones((1, 64), np.float32),)
    found = measure(folder, folder, target, inputs, threads=1, runs=5, warmup=1)
    assert set(found) == KEYS
    assert found["estimate"] is False
    assert found["source"] == f"onnxruntime {version('onnxruntime')} on this machine"
    assert (found["threads"], found["runs"], found["cycles"]) == (1, 5, None)
    for build in ("compiled", "float"):
        assert found["latency_ms"][build]["median"] > 0
        assert found["memory_bytes"][build] >= 0
    assert [item["scope"] for item in found["operators"]] == ["0"]
    write_json(tmp_path / "profile.json", found)


def test_profile_without_a_float_build(built: Callable[[str, int], Path]) -> None:
    target = targets.load("xnnpack")
    inputs = (np.ones((1, 64), np.float32),)
    found = measure(built("xnnpack", 32), None, target, inputs, threads=1, runs=2, warmup=0)
    assert found["source"].startswith("executorch ")
    assert found["memory_bytes"]["compiled"] > 0
    assert [item["scope"] for item in found["operators"]] == ["0"]
    assert found["latency_ms"]["float"] is None
    assert found["memory_bytes"]["float"] is None


def test_memory_grows_with_the_weights(built: Callable[[str, int], Path]) -> None:
    target = targets.load("onnxruntime")
    inputs = (np.ones((1, 64), np.float32),)
    width = 1 << 17
    small = peak_memory(built("onnxruntime", 32), target, inputs, threads=1)
    large = peak_memory(built("onnxruntime", width), target, inputs, threads=1)
    assert large - small > 0.9 * 64 * width * 4


def test_a_child_that_fails_is_one_line(built: Callable[[str, int], Path], tmp_path: Path) -> None:
    shutil.copytree(built("onnxruntime", 32), tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="broken: measuring memory failed: ") as caught:
        peak_memory(tmp_path / "broken", targets.load("onnxruntime"), (np.ones((1, 64), np.float32),), threads=1)
    assert "\n" not in str(caught.value)


def test_profile_of_an_estimated_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edgewright.targets.adapters import ethos_u

    estimate = {
        "cycles": 10, "sram_bytes": 20, "flash_bytes": 30, "latency_ms": 0.5, "clock_hz": 1e9,
        "operators": [{"scope": "fc", "operator": "Conv2D", "cycles": 10}],
    }
    monkeypatch.setattr(ethos_u, "estimate", lambda folder: estimate)
    (tmp_path / "manifest.json").write_text(json.dumps({"versions": {"ethos-u-vela": "5.1.0"}}))
    found = measure(tmp_path, None, targets.load("ethos-u85-256"), (), threads=1, runs=5, warmup=1)
    assert set(found) == KEYS
    assert found["estimate"] is True
    assert found["source"] == "Vela 5.1.0, internal compiler estimate at 1000 MHz"
    assert (found["cycles"], found["sram_bytes"], found["flash_bytes"]) == (10, 20, 30)
    assert found["latency_ms"]["compiled"]["median"] == 0.5
    assert (found["threads"], found["host"]) == (None, None)


def test_profile_of_a_device_that_another_runtime_stands_in_for(built: Callable[[str, int], Path]) -> None:
    target = targets.load("onnxruntime").model_copy(update={"stand_in": True})
    inputs = (np.ones((1, 64), np.float32),)
    found = measure(built("onnxruntime", 32), None, target, inputs, threads=1, runs=3, warmup=1)
    assert set(found) == KEYS | {"stand_in"}
    assert found["latency_ms"] == found["memory_bytes"] == {"compiled": None, "float": None}
    assert found["operators"] == []
    median = found["stand_in"]["latency_ms"]["median"]
    assert median > 0
    assert found["source"] == (
        f"the device's is not known; onnxruntime {version('onnxruntime')} executes the artifact here in {median:.2f} ms"
    )
    assert [item["scope"] for item in found["stand_in"]["operators"]] == ["0"]

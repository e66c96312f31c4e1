import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgewright import gq, ir, targets
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Sample
from edgewright.errors import ConfigError
from edgewright.targets.adapters import openvino
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights

TARGET = targets.load("openvino")
WEIGHTS = KernelWeights(bits=8, granularity="group", group_multiple=32)
DYNAMIC = KernelActivations(bits=8, mode="dynamic")


def test_convolutions_and_linear_run_on_integers_and_are_named(
    compiled: Callable[[str], Path], image: np.ndarray
) -> None:
    times = openvino.operator_times(compiled("openvino"), (image,), threads=1, runs=3)
    computing = [item for item in times
                 if str(item["operator"]).startswith(("Convolution", "FullyConnected", "ReduceMean"))]  # fmt: skip
    assert {"first", "second", "third", "head"} <= {item["scope"] for item in computing}
    assert all(str(item["operator"]).endswith("_I8") for item in computing)
    assert all(item["time_ms"] >= 0 for item in times)


def compiled_linear(columns: int, activations: KernelActivations | None, folder: Path) -> np.ndarray:
    """Output of a linear operator with weights in groups of 32, or in one group where the columns are no multiple."""
    weights = WEIGHTS if columns % 32 == 0 else KernelWeights(bits=8, granularity="channel")
    kernel = Kernel(name="form", weights=weights, activations=activations)
    program, inputs, _ = one_operator(Example(F.linear, ((1, 4, columns),), (16, columns)), kernel, shared=False)
    openvino.compile(program, TARGET, folder, batch_inputs=inputs)
    return openvino.session(folder, TARGET, 1)(inputs)


def test_activations_are_quantized_where_the_scheme_says_so_and_nowhere_else(tmp_path: Path) -> None:
    exact = compiled_linear(64, None, tmp_path / "float")
    rounded = compiled_linear(64, DYNAMIC, tmp_path / "dynamic")
    properties = [json.loads((tmp_path / name / "properties.json").read_text()) for name in ("float", "dynamic")]
    assert [item["DYNAMIC_QUANTIZATION_GROUP_SIZE"] for item in properties] == ["0", "32"]
    assert 1e-4 < np.abs(exact - rounded).max() / np.abs(exact).max() < 2e-2
    assert '"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"' in (tmp_path / "dynamic" / "example.py").read_text()


def test_columns_that_the_runtime_does_not_quantize_are_told(tmp_path: Path) -> None:
    exact, kept = (compiled_linear(44, item, tmp_path / str(item is None)) for item in (None, DYNAMIC))
    assert np.abs(exact - kept).max() == 0
    (left,) = json.loads((tmp_path / "False" / "manifest.json").read_text())["not_delegated"]
    assert (left["operator"], left["reason"]) == (
        "linear", "its 44 columns are no multiple of 32: the activations stay float",
    )  # fmt: skip


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(32, 32), nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x)))


def test_a_mix_that_the_runtime_cannot_tell_apart_is_refused(tmp_path: Path) -> None:
    program = ir.export(Two().eval(), [((32,), torch.float32)])
    group = {"bits": 8, "granularity": "group", "group": 32}
    scheme = GqScheme.model_validate({"weights": group, "activations": {"mode": "dynamic"}})
    rows = np.ones((1, 32), np.float32)
    mixed = gq.quantize(program, TARGET, scheme, Sample(inputs={"x": rows})).program
    module = ir.unlift(mixed)
    (linear, *_) = [node for node in module.graph.nodes if ir.operator_name(node.target) == "linear"]
    linear.replace_input_with(linear.args[0], linear.args[0].args[0].args[0])
    with pytest.raises(ConfigError, match="all linear operators with integer weights, or of none"):
        openvino.compile(ir.relift(module, mixed), TARGET, tmp_path, batch_inputs=(rows,))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgewright\[openvino\]'"):
        openvino.preload()


def test_float_stays_float32(tmp_path: Path) -> None:
    program, inputs, _ = one_operator(Example(F.linear, ((1, 4, 512),), (16, 512)), None, shared=False)
    openvino.compile(program, TARGET, tmp_path, batch_inputs=inputs)
    expected = program.module(check_guards=False)(*map(torch.from_numpy, inputs)).detach().numpy()
    found = openvino.session(tmp_path, TARGET, 1)(inputs)
    # The runtime's default on a CPU with AVX512-BF16 would differ by 2^-9.
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()

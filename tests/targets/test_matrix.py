"""Every scheme on every CPU target: it compiles and runs, or is refused in milliseconds with what would be legal."""

import itertools
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.config.schemes import GqScheme
from edgewright.datasets import Sample
from edgewright.errors import ConfigError

TARGETS = ("onnxruntime", "openvino", "xnnpack")
SYMMETRIES = {"symmetric": {}, "asymmetric": {"symmetric": False}, "power-of-two": {"power_of_two": True}}
STATIC = {"w8a8": (8, 8), "w8a16": (8, 16), "w4a8": (4, 8), "w16a16": (16, 16)}
DYNAMIC = {"w8a8-dynamic": 8, "w4a8-dynamic": 4}
WEIGHT_ONLY = {"w8": 8, "w4": 4}
MINMAX = {"method": "minmax"}
SECONDS = 0.1


def weights(bits, granularity, symmetry):
    group = {"group": 32} if granularity == "group" else {}
    return {"bits": bits, "granularity": granularity, **group, **SYMMETRIES[symmetry]}


def schemes():
    for (name, (bits, activation_bits)), granularity, symmetry in itertools.product(
        STATIC.items(), ("tensor", "channel"), SYMMETRIES
    ):
        activations = {"bits": activation_bits, "calibration": MINMAX, **SYMMETRIES[symmetry]}
        yield f"{name}-{granularity}-{symmetry}", {
            "weights": weights(bits, granularity, symmetry), "activations": activations,
        }  # fmt: skip
    for (name, bits), granularity, symmetry in itertools.product(
        (DYNAMIC | WEIGHT_ONLY).items(), ("tensor", "channel", "group"), SYMMETRIES
    ):
        scheme = {"weights": weights(bits, granularity, symmetry)}
        if name in DYNAMIC:
            scheme["activations"] = {"mode": "dynamic", "symmetric": symmetry != "asymmetric"}
        yield f"{name}-{granularity}-{symmetry}", scheme
    yield "fp16", {"dtype": "float16"}


SCHEMES = dict(schemes())

# What each target can do; all else must be refused. Symmetric kernels take symmetric and power-of-two weights.
_SYMMETRIC, _ANY = ("symmetric", "power-of-two"), tuple(SYMMETRIES)
_PACKED = {
    "w8-tensor": _ANY, "w8-channel": _ANY, "w8-group": _ANY, "w4-channel": _ANY, "w4-group": _ANY,
    "w4a8-dynamic-channel": _ANY, "w4a8-dynamic-group": _ANY, "w8a8-dynamic-group": _ANY,
}  # fmt: skip
_W8A8 = {"w8a8-tensor": _SYMMETRIC, "w8a8-channel": _SYMMETRIC}
LEGAL = {
    "onnxruntime": _W8A8 | _PACKED | dict.fromkeys(
        ("w8a16-tensor", "w8a16-channel", "w16a16-tensor", "w16a16-channel",
         "w8a8-dynamic-tensor", "w8a8-dynamic-channel"), _SYMMETRIC,
    ),
    "openvino": _W8A8 | _PACKED | {"w8a8-dynamic-tensor": _ANY, "w8a8-dynamic-channel": _ANY},
    "xnnpack": _W8A8 | {"w8a8-dynamic-channel": _SYMMETRIC, "w4a8-dynamic-group": _SYMMETRIC},
}  # fmt: skip
HALF = ("openvino", "xnnpack")


def is_legal(target, name):
    if name == "fp16":
        return target in HALF
    return any(name == f"{form}-{symmetry}" for form, kinds in LEGAL[target].items() for symmetry in kinds)


class Net(nn.Module):
    """A convolution, a pool and a linear of 32 columns."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.head = nn.Linear(32, 8)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3), keepdim=True).flatten(1))


@cache
def program():
    torch.manual_seed(0)
    return ir.export(Net().eval(), [((3, 8, 8), torch.float32)])


def images(count, seed):
    return np.random.default_rng(seed).normal(size=(count, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_scheme_runs_or_is_refused(target, name, tmp_path: Path):
    device, scheme = targets.load(target), GqScheme.model_validate(SCHEMES[name])
    if not is_legal(target, name):
        start = time.perf_counter()
        with pytest.raises(ConfigError) as caught:
            targets.check_scheme(device, scheme, f"gq.{name}")
        assert time.perf_counter() - start < SECONDS
        line = str(caught.value)
        assert line.startswith(f"gq.{name}")
        assert f"({target}.yaml: " in line
        assert "; nearest: " in line
        assert "\n" not in line
        return
    quantized = gq.quantize(program(), device, scheme, Sample(inputs={"x": images(4, 0)}))
    adapter = targets.adapter(device)
    adapter.compile(quantized.program, device, tmp_path, batch_inputs=(images(1, 1),))
    run, module, reference = adapter.session(tmp_path, device, 1), ir.unlift(quantized.program), ir.unlift(program())
    for seed in range(2):
        image = images(1, seed + 2)
        with torch.no_grad():
            expected, exact = (item(torch.from_numpy(image)).numpy() for item in (module, reference))
        peak = np.abs(exact).max()
        # The artifact is the quantized program, up to the few steps that rounding in between can move it.
        assert np.abs(run((image,)) - expected).max() <= 0.04 * peak
        assert np.abs(expected - exact).max() > 0


def test_power_of_two_scales_cannot_be_chosen_at_run_time():
    scheme = GqScheme.model_validate({"weights": {}, "activations": {"mode": "dynamic", "power_of_two": True}})
    with pytest.raises(ConfigError, match=r"dynamic 8-bit .* power-of-two scales .*nearest: w8a8-dynamic"):
        targets.check_scheme(targets.load("xnnpack"), scheme, "gq.mine")

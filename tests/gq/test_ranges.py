import numpy as np
import pytest
import torch
from torch import nn

from edgewright import gq, registry, targets
from edgewright.errors import ConfigError, InputError
from edgewright.gq import calibration
from edgewright.targets import Kernel
from tests.gq.nets import noise, program_of, sample_of, scheme, small

METHODS = registry.names(calibration.PACKAGE)


def quantized(activations, array=None, program=None, target=None, **others):
    asked = scheme({"weights": {"bits": 8}, "activations": activations}, **others)
    sample = sample_of(noise() if array is None else array)
    return gq.quantize(program or small(), target or targets.load("xnnpack"), asked, sample)


def tensors(result):
    return {item["name"]: item for item in result.encodings["tensors"]}


def by_name(named, method="minmax", **others):
    return {"bits": 8, "calibration": {"method": method, "tensors": named, **others}}


class Relu(nn.Module):
    """A tensor whose values are those of the input."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.conv.weight)

    def forward(self, x):
        return torch.relu(self.conv(x))


def test_methods_and_ranges_go_by_the_names_of_tensors():
    named = {"*:relu*": {"method": "percentile", "options": {"percentile": 99}}, "input:x": {"min": -1.0, "max": 6.0}}
    found = tensors(quantized(by_name(named)))
    assert {item["method"] for name, item in found.items() if ":relu" in name} == {"percentile"}
    assert found["input:x"]["method"] == "given"
    step = found["input:x"]["scale"]
    assert (found["input:x"]["min"], found["input:x"]["max"]) == pytest.approx((-1, 6), abs=step / 2)
    assert {item["method"] for name, item in found.items() if ":relu" not in name and name != "input:x"} == {"minmax"}


def test_later_patterns_win():
    found = tensors(quantized(by_name({"*": {"method": "entropy"}, "input:*": {"method": "histogram"}})))
    assert found["input:x"]["method"] == "histogram"
    assert {item["method"] for name, item in found.items() if name != "input:x"} == {"entropy"}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"imput:x": {"method": "minmax"}}, r"tensors: the pattern 'imput:x' matches no quantized tensor .*'input:x'"),
        ({"input:x": {"method": "minmax"}, "*": {"method": "entropy"}}, r"'input:x' has no effect: .*'\*' further"),
    ],
)
def test_patterns_without_effect_are_refused(named, message):
    with pytest.raises(ConfigError, match=message) as caught:
        quantized(by_name(named))
    assert "\n" not in str(caught.value)


def test_the_method_of_a_layer_is_its_own():
    layers = {"head": {"activations": {"bits": 8, "calibration": {"method": "entropy"}}}}
    found = tensors(quantized({"bits": 8, "calibration": {"method": "minmax"}}, layers=layers))
    assert found["head:linear"]["method"] == "entropy"
    assert found["input:x"]["method"] == "minmax"


def test_activations_of_layers_alone_are_calibrated():
    layers = {"conv1": {"activations": {"bits": 8, "mode": "static"}}}
    found = tensors(quantized({"bits": 8, "mode": "dynamic"}, layers=layers))
    assert found["input:x"]["method"] == "histogram"


def test_the_clipped_share_is_recorded():
    array = noise(8)
    found = tensors(quantized(by_name({"input:x": {"min": -1.0, "max": 1.0}}, max_clipped=0.5), array))
    step = found["input:x"]["scale"]
    expected = ((array < found["input:x"]["min"] - step / 2) | (array > found["input:x"]["max"] + step / 2)).mean()
    assert found["input:x"]["clipped"] == pytest.approx(expected, abs=1e-3)
    assert {item["clipped"] for name, item in found.items() if name != "input:x"} == {0.0}


def test_much_clipping_is_a_warning_and_more_is_an_error():
    named = {"input:x": {"min": -2.0, "max": 2.0}}
    (line,) = quantized(by_name(named)).warnings
    assert line.startswith("'input:x': given leaves 4.")
    with pytest.raises(InputError, match=r"'input:x': given leaves 4\.\d+% .*max_clipped is 4.00%") as caught:
        quantized(by_name(named, max_clipped=0.04))
    assert "\n" not in str(caught.value)
    assert quantized(by_name({})).warnings == ()


def test_an_edited_scale_that_clips_is_an_error():
    first = quantized({"bits": 8})
    edited = {**first.encodings, "tensors": [{**first.encodings["tensors"][0], "scale": 1e-6}]}
    with pytest.raises(InputError, match="'input:x': encodings leaves"):
        gq.quantize(small(), targets.load("xnnpack"), scheme(), sample_of(noise()),
                    encodings=gq.Overrides.parse(edited, "mine.json"))  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 2.5, -3.0])
def test_constant_activations_are_exact(method, value):
    array = np.full((4, 3, 8, 8), value, np.float32)
    result = quantized({"bits": 8, "calibration": {"method": method}}, array, program_of(Relu(), 3, 8, 8))
    item = tensors(result)["input:x"]
    scale, zero_point = item["scale"], item["zero_point"]
    rounded = (np.clip(np.rint(value / scale) + zero_point, -128, 127) - zero_point) * scale
    assert rounded == pytest.approx(value, rel=1e-6)
    assert item["clipped"] == 0
    if value == 0:
        assert (item["scale"], item["zero_point"]) == (1.0, -128)


def able(activations):
    """A target whose kernels have the grid."""
    found = targets.load("xnnpack")
    weights = {"bits": 8, "granularity": "channel"}
    forms = {
        True: Kernel.model_validate({"name": "w8", "weights": weights, "activations": activations}),
        False: Kernel.model_validate({"name": "a", "activations": activations}),
    }
    operators = {
        name: item.model_copy(update={"quantized": (forms[name in ("conv2d", "linear")],)})
        for name, item in found.operators.items() if item.quantized
    }  # fmt: skip
    return found.model_copy(update={"operators": operators})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize(("bits", "symmetric"), [(8, False), (8, True), (16, True)])
def test_every_method_serves_every_grid(method, bits, symmetric, power_of_two):
    grid = {"bits": bits, "symmetric": symmetric, "power_of_two": power_of_two}
    result = quantized({**grid, "calibration": {"method": method}}, target=able({**grid, "mode": "static"}))
    found = tensors(result)
    assert {item["method"] for item in found.values()} == {method}
    for item in found.values():
        assert {key: item[key] for key in grid} == grid
        assert not power_of_two or np.frexp(item["scale"])[0] == 0.5
    assert min(item["snr_db"] for item in result.sensitivity["modules"]) > 10


def test_nothing_is_computed_where_nothing_is_static():
    asked = {"bits": 8, "mode": "dynamic"}
    assert quantized(asked).encodings["tensors"] == []

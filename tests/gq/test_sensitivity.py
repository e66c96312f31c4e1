import math

import pytest
import torch

from edgewright import gq, ir, targets
from edgewright.gq.sensitivity import measure
from tests.gq.nets import Small, noise, program_of, sample_of, scheme, small


def test_figures_are_those_of_the_definition():
    module, other = ir.unlift(small(0)), ir.unlift(small(0))
    with torch.no_grad():
        other.head.bias += 0.5
    row = (torch.from_numpy(noise(3)),)
    with torch.no_grad():
        found = measure(module, other, {"head": ("linear", "linear", "linear"), "": ("mean",) * 3}, [row])
        reference = module(*row).double()
    first, second = found["modules"]
    assert first["scope"] == "head"
    assert first["mse"] == pytest.approx(0.25)
    assert first["snr_db"] == pytest.approx(10 * math.log10(float((reference**2).mean()) / 0.25), abs=1e-4)
    moved = reference + 0.5
    assert first["cosine"] == pytest.approx(float((reference * moved).sum() / (reference.norm() * moved.norm())))
    assert (second["snr_db"], second["mse"]) == (None, 0)
    assert second["cosine"] == pytest.approx(1)


def test_a_planted_bad_layer_comes_first():
    net = Small()
    with torch.no_grad():
        net.conv1.weight[0], net.conv1.bias[0] = 0, -1  # ReLU gives zeros alone,
        net.conv2.weight[:, 0] = 1000  # whose weights take the whole range of each output channel
    result = gq.quantize(program_of(net, 3, 8, 8), targets.load("xnnpack"), scheme(), sample_of(noise()))
    modules = result.sensitivity["modules"]
    assert {item["scope"] for item in modules} >= {"conv1", "conv2", "head", ""}
    known = [item["snr_db"] for item in modules]
    assert known == sorted(known)
    assert modules[0]["scope"] == "conv2"

"""What stays float computes in half; borders, constants and overflow."""

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.errors import InputError
from tests.gq.nets import noise, program_of, run, sample_of, scheme, small

HALF = {"dtype": "float16"}
XNNPACK = targets.load("xnnpack")


def quantized(program, values, sample):
    return gq.quantize(program, XNNPACK, scheme(values), sample)


def dtypes(program):
    module = ir.unlift(program)
    return {node.name: node.meta["val"].dtype for node in module.graph.nodes
            if isinstance(node.meta.get("val"), torch.Tensor)}


def test_everything_is_half_but_the_borders():
    program = small()
    result = quantized(program, HALF, sample_of(noise()))
    found = dtypes(result.program)
    assert found.pop("x") == torch.float32
    # The last node casts the output back.
    assert found.popitem()[1] == torch.float32
    assert set(found.values()) == {torch.float16}
    assert ir.constant_bytes(result.program) * 2 == ir.constant_bytes(program)
    output = run(result.program, noise(seed=5))
    assert output.dtype == torch.float32
    error = (output - run(program, noise(seed=5))).abs().max()
    assert 0 < error < 0.01
    assert {"conv1", "conv2", "head"} <= set(result.encodings["float16"])
    assert all(item["snr_db"] > 40 for item in result.sensitivity["modules"])


def test_equal_programs_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        ir.save(quantized(small(), HALF, sample_of(noise())).program, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_integers_and_half_beside_each_other():
    values = {"weights": {"bits": 8}, "activations": {"bits": 8, "calibration": {"method": "minmax"}},
              "layers": {"conv2": "float"}, "dtype": "float16"}  # fmt: skip
    result = quantized(small(), values, sample_of(noise()))
    module = ir.unlift(result.program)
    (half,) = [node for node in module.graph.nodes if ir.scope(node) == "conv2" and "conv2d" in str(node.target)]
    assert half.meta["val"].dtype == torch.float16
    assert "conv2" in result.encodings["float16"]
    assert "conv1" not in result.encodings["float16"]
    difference = run(result.program, noise(seed=5)) - run(small(), noise(seed=5))
    assert 0 < difference.abs().max() < 0.3


class Square(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.register_buffer("factor", torch.tensor([factor]))

    def forward(self, x):
        return torch.pow(x, 2) * self.factor


def test_an_activation_beyond_half_is_refused_with_its_name():
    rows = np.full((4, 8), 2.0, np.float32)
    rows[2, 3] = 300.0
    with pytest.raises(InputError, match=r"':pow' reaches 90000 on batch 0 .*beyond the 65504 of float16") as caught:
        quantized(program_of(Square(), 8), HALF, sample_of(rows))
    assert "\n" not in str(caught.value)


def test_a_constant_beyond_half_is_refused_with_its_name():
    with pytest.raises(InputError, match=r"gq: 'factor' holds 70000, beyond the 65504 of float16"):
        quantized(program_of(Square(70000.0), 8), HALF, sample_of(np.zeros((1, 8), np.float32)))


def test_infinite_constants_stay():
    program = program_of(Square(float("inf")), 8)
    result = quantized(program, HALF, sample_of(np.ones((1, 8), np.float32)))
    assert torch.isinf(run(result.program, np.ones((1, 8), np.float32))).all()

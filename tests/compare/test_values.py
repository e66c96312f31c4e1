import pytest
import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.compare.values import places, values
from tests.gq.nets import noise, program_of, sample_of, scheme, small


@pytest.fixture(scope="module")
def quantized():
    program = gq.quantize(small(), targets.load("xnnpack"), scheme(), sample_of(noise())).program
    return ir.unlift(program)


def test_a_value_is_read_where_it_is_stored(quantized):
    found = places(quantized)
    relu = found["relu"]
    assert ir.operator_name(relu.quantize.target) == "quantize_per_tensor"
    assert ir.operator_name(relu.stored.target) == "dequantize_per_tensor"
    assert relu.stored in relu.quantize.users
    # Inside the kernel of the convolution nothing is stored.
    assert found["conv2d"].quantize is None
    assert found["conv2d"].stored is found["conv2d"].node
    assert not any(ir.operator_name(place.node.target).startswith(("quantize", "dequantize"))
                   for place in found.values())  # fmt: skip


def test_what_layers_calls_an_operator_and_what_runs_inside_its_kernel(quantized):
    found = {value.name: value for value in values(quantized, places(quantized))}
    assert (found["conv2d"].layer, found["conv2d"].tail) == ("conv1", "relu")
    assert (found["conv2d_1"].layer, found["conv2d_1"].tail) == ("conv2", "")
    assert (found["relu_1"].scope, found["relu_1"].layer) == ("", ":relu#2")
    assert [value.operator for value in found.values() if value.moves] == ["pad", "flatten"]
    assert not found["mean"].moves
    assert found["x"].operator == "input"


def test_what_does_not_depend_on_an_input_is_no_value():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x * self.table.exp()

    module = ir.unlift(program_of(Constant(), 4))
    assert [value.operator for value in values(module, places(module))] == ["input", "mul"]

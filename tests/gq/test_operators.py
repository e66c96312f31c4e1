import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright import ir
from edgewright.gq.operators import activations_of, is_zero_padding_of_plane
from tests.gq.nets import nodes, program_of


class Padded(nn.Module):
    def __init__(self, widths, mode, value):
        super().__init__()
        self.widths, self.mode, self.value = widths, mode, value

    def forward(self, x):
        return functional.pad(x, self.widths, self.mode, self.value)


@pytest.mark.parametrize(
    ("widths", "mode", "value", "is_zero"),
    [
        ((1, 1, 1, 1), "constant", None, True),
        ((0, 1), "constant", 0.0, True),
        ((1, 1, 1, 1), "constant", 1.0, False),
        ((1, 1, 1, 1), "reflect", None, False),
        ((0, 0, 0, 0, 1, 1), "constant", None, False),
    ],
)
def test_only_zeros_around_the_plane_are_what_a_convolution_adds(widths, mode, value, is_zero):
    module = ir.unlift(program_of(Padded(widths, mode, value), 3, 8, 8))
    (pad,) = nodes(module, "pad")
    assert is_zero_padding_of_plane(pad) is is_zero


@pytest.mark.parametrize(("values", "count"), [((1.0, 2.0), 2), ((1.0, float("-inf")), 1), ((float("nan"), 1.0), 1)])
def test_a_constant_operand_is_quantized_where_it_is_finite(values, count):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor(values))

        def forward(self, x):
            return x + self.mask

    module = ir.unlift(program_of(Net(), 2))
    (add,) = nodes(module, "add")
    assert len(activations_of(module, add)) == count

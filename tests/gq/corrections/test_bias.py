import torch
from torch import nn

from edgewright import ir
from edgewright.gq.corrections import bias
from edgewright.gq.lockstep import Meeting
from edgewright.gq.weights import integer_weight
from edgewright.rounding import Grid
from tests.gq.corrections.operators import constants
from tests.gq.nets import W8_DYNAMIC, W8A8, Small, noise, program_of, scheme
from tests.gq.test_weights import brought, plans_of


def test_the_mean_of_the_output_is_that_of_the_float_operator():
    item, exact = constants(Small())
    inputs = [torch.from_numpy(noise(8, seed=seed)) + 2 for seed in range(2)]
    outputs = [torch.conv2d(value, exact, item.exact_bias, padding=1) for value in inputs]

    def mean():
        kernel = item.dequantized()
        found = [torch.conv2d(value.double(), kernel, item.bias.double(), padding=1) for value in inputs]
        return torch.cat(found).mean((0, 2, 3))

    wanted = torch.cat(outputs).double().mean((0, 2, 3))
    assert (mean() - wanted).abs().max() > 1e-5
    assert bias.adjust(item, Meeting(item.node, inputs, outputs))
    torch.testing.assert_close(mean(), wanted, atol=1e-6, rtol=0)
    # What the operators before did to the mean is taken back too.
    assert bias.adjust(item, Meeting(item.node, [value + 0.1 for value in inputs], outputs))
    assert (mean() - wanted).abs().max() > 1e-3


def test_without_a_bias_there_is_nothing_to_adjust():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.only = nn.Linear(8, 8, bias=False)

        def forward(self, x):
            return self.only(x)

    item, _ = constants(Bare(), 8)
    assert not bias.adjust(item, Meeting(item.node, [], []))


def test_only_static_operators_whose_weight_is_rounded_here_and_that_have_a_bias_are_corrected():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bare, self.biased = nn.Linear(64, 64, bias=False), nn.Linear(64, 64)

        def forward(self, x):
            return self.biased(self.bare(x))

    _, plans = plans_of(program_of(Net(), 64))
    assert [ir.scope(node) for node in bias.correctable(plans)] == ["biased"]
    assert [source.name for source in bias.correctable(plans).values()] == ["linear"]
    for program, values in ((program_of(Net(), 64), W8_DYNAMIC), (brought(Grid(8, True, None))[0], W8A8)):
        _, plans = plans_of(program, scheme(values))
        assert plans
        assert bias.correctable(plans) == {}


def test_the_shift_is_what_rounding_takes_from_the_mean():
    torch.manual_seed(0)
    module, plans = plans_of(program_of(Small(), 3, 8, 8))
    weight = integer_weight(module, plans[0])
    inputs = torch.from_numpy(noise(4)).double()
    found = bias.shift(plans[0].node, weight.error, inputs.mean(0, True))
    wanted = torch.conv2d(inputs, weight.error, padding=1).mean((0, 2, 3))
    torch.testing.assert_close(found, wanted)

import torch
from torch import nn

from edgewright import ir
from edgewright.gq.correction import Correction, correct, correctable, keep_if_better
from edgewright.gq.weights import integer_weight
from edgewright.rounding import Grid
from tests.gq.nets import W8_DYNAMIC, W8A8, Small, noise, program_of, scheme
from tests.gq.test_weights import brought, plans_of


def corrected():
    torch.manual_seed(0)
    module, plans = plans_of(program_of(Small(), 3, 8, 8))
    plan = plans[0]
    weight = integer_weight(module, plan)
    inputs = torch.from_numpy(noise(16)) + 2
    means = {plan.node: inputs.double().mean(0, True)}
    return module, plan, weight, inputs, correct(module, {plan.node: weight}, means)


def test_the_mean_of_the_output_is_that_of_the_float_operator():
    _, _, weight, inputs, (correction,) = corrected()
    original = Small().conv1  # the geometry: 3x3, padding 1
    rounded = weight.values * weight.scale.reshape(-1, 1, 1, 1)
    exact = rounded.double() + weight.error

    def means(kernel, bias):
        return torch.conv2d(inputs.double(), kernel.double(), bias.double(), padding=original.padding).mean((0, 2, 3))

    float_means = means(exact, correction.before)
    assert (means(rounded, correction.before) - float_means).abs().max() > 1e-5
    torch.testing.assert_close(means(rounded, correction.after), float_means, atol=1e-6, rtol=0)


def test_a_correction_that_hurts_is_left_out():
    module, plan, _, inputs, (correction,) = corrected()
    reference = ir.unlift(program_of(_same(), 3, 8, 8))
    wrong = Correction(correction.node, correction.before, correction.before + 1)
    kept = keep_if_better(reference, module, [wrong], [(inputs,)])
    assert not kept["applied"]
    assert kept["output_mse"] > kept["output_mse_without"]
    assert torch.equal(ir.tensor_of(module, plan.node.args[2]), correction.before)


def test_a_correction_that_helps_stays():
    module, plan, _, inputs, (correction,) = corrected()
    reference = ir.unlift(program_of(_same(), 3, 8, 8))
    right = Correction(correction.node, correction.before + 1, correction.before)
    assert keep_if_better(reference, module, [right], [(inputs,)])["applied"]
    assert torch.equal(ir.tensor_of(module, plan.node.args[2]), correction.before)


def test_only_static_operators_whose_weight_is_rounded_here_and_that_have_a_bias_are_corrected():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bare, self.biased = nn.Linear(64, 64, bias=False), nn.Linear(64, 64)

        def forward(self, x):
            return self.biased(self.bare(x))

    _, plans = plans_of(program_of(Net(), 64))
    assert [ir.scope(node) for node in correctable(plans)] == ["biased"]
    assert [source.name for source in correctable(plans).values()] == ["linear"]
    for program, values in ((program_of(Net(), 64), W8_DYNAMIC), (brought(Grid(8, True, None))[0], W8A8)):
        _, plans = plans_of(program, scheme(values))
        assert plans
        assert correctable(plans) == {}


def _same():
    torch.manual_seed(0)
    return Small()

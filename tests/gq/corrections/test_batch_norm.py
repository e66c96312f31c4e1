import pytest
import torch

from edgewright.gq.corrections import batch_norm
from edgewright.gq.lockstep import Meeting
from edgewright.gq.parameters import Parameters
from tests.gq.corrections.operators import constants
from tests.gq.nets import Small, noise, scheme


def _statistics(item, inputs):
    found = torch.conv2d(inputs.double(), item.dequantized(), item.bias.double(), padding=1)
    return found.mean((0, 2, 3)), found.var((0, 2, 3), correction=0)


def test_mean_and_variance_of_each_channel_are_those_of_the_float_program():
    item, exact = constants(Small())
    inputs = torch.from_numpy(noise(16))
    # The float program's output has other statistics, as after operators that were quantized before.
    wanted = torch.conv2d(inputs * 1.2 + 0.3, exact, item.exact_bias, padding=1)
    integers = item.values.clone()
    assert batch_norm.adjust(item, Meeting(item.node, list(inputs.split(4)), list(wanted.split(4))))
    mean, variance = _statistics(item, inputs)
    torch.testing.assert_close(mean, wanted.double().mean((0, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(variance, wanted.double().var((0, 2, 3), correction=0), atol=0, rtol=1e-5)
    assert torch.equal(item.values, integers)


def test_the_gain_is_bounded_and_a_constant_channel_keeps_its_scale():
    net = Small()
    with torch.no_grad():
        net.conv1.weight[1] = 0
    item, exact = constants(net)
    before = item.scale.clone()
    inputs = torch.from_numpy(noise(4))
    wanted = torch.conv2d(inputs, exact, item.exact_bias, padding=1) * 100
    assert batch_norm.adjust(item, Meeting(item.node, [inputs], [wanted]))
    gain = item.scale / before
    assert float(gain[1]) == 1.0
    assert gain[[0, 2, 3]].tolist() == pytest.approx([2.0] * 3)


def test_a_scale_never_falls_below_what_integer_arithmetic_allows():
    # The largest factor of requantization makes the floor as large as a scale.
    item, exact = constants(Small(), border=(Parameters(1.0, 0), Parameters(3e6, 0)))
    floor = item.weight.floor[:, 0]
    assert bool((item.scale >= floor).all())
    inputs = torch.from_numpy(noise(4))
    wanted = torch.conv2d(inputs, exact, item.exact_bias, padding=1) / 1.9
    batch_norm.adjust(item, Meeting(item.node, [inputs], [wanted]))
    assert bool((item.scale >= floor).all())


def test_a_scale_for_the_whole_tensor_or_of_powers_of_two_is_left():
    for weights in ({"bits": 8, "granularity": "tensor"}, {"bits": 8, "power_of_two": True}):
        item, _ = constants(Small(), scheme=scheme(weights=weights))
        assert not batch_norm.adjust(item, Meeting(item.node, [], []))

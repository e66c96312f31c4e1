from dataclasses import replace

import pytest
import torch
from torch import nn

from edgewright import ir, targets
from edgewright.config.schemes import WeightScheme
from edgewright.errors import ConfigError, InputError
from edgewright.gq import integers
from edgewright.gq.annotate import annotate, names_of
from edgewright.gq.parameters import Parameters
from edgewright.gq.scheme import Resolved
from edgewright.gq.weights import dequantized, integer_weight
from edgewright.models.quantized import QuantizedLinear, WeightFormat
from edgewright.rounding import Grid, min_max, quantize
from tests.gq.nets import W4_DYNAMIC, W8_DYNAMIC, Small, program_of, scheme, small


def plans_of(program, wanted=None, target="xnnpack"):
    module = ir.unlift(program)
    found = annotate(module, targets.load(target), Resolved(wanted or scheme(), names_of(module).values()))
    return module, [plan for plan in found.quantized if plan.kernel.weights is not None]


def brought(grid, columns=64, zero_point=torch.int8):
    """A program with one linear whose weight is integers, as aq leaves it, and the integers."""
    torch.manual_seed(3)
    matrix = torch.randn(16, columns)
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    if zero_point.is_floating_point:
        weight = replace(weight, zero_point=weight.zero_point + 0.4)
    form = WeightFormat(grid, (16, columns), zero_point.is_floating_point)
    linear = QuantizedLinear(form, nn.Parameter(torch.zeros(16)))
    linear.assign(weight)
    net = nn.Sequential()
    net.add_module("proj", linear)
    return program_of(net, columns), weight


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_static_weights_are_off_by_half_a_step_at_most(granularity):
    module, plans = plans_of(small(), scheme(weights={"bits": 8, "granularity": granularity}))
    assert [integer_weight(module, plan).module for plan in plans] == ["conv1", "conv2", "head"]
    for plan in plans:
        weight = integer_weight(module, plan)
        original = ir.tensor_of(module, plan.node.args[1])
        assert weight.scale.shape == ((len(original),) if granularity == "channel" else (1,))
        assert int(weight.values.min()) >= -127
        step = weight.scale.max() if granularity == "tensor" else weight.scale.reshape(-1, *[1] * (original.dim() - 1))
        assert bool((weight.error.abs() <= 0.5001 * step).all())
        node = dequantized(module, weight, plan.node)
        names = {"channel": "dequantize_per_channel", "tensor": "dequantize_per_tensor"}
        assert ir.operator_name(node.target) == names[granularity]
        assert ir.scope(node) == weight.module


def test_a_tiny_weight_keeps_a_tiny_scale():
    net = Small()
    with torch.no_grad():
        net.conv1.weight *= 1e-6
        net.conv1.bias *= 0
    module, plans = plans_of(program_of(net, 3, 8, 8))
    weight = integer_weight(module, plans[0], (Parameters(0.02, 0), Parameters(1e-8, 0)))
    assert float(weight.scale.max()) < 2.0**-20
    assert float(weight.error.abs().max()) < 1e-8


def test_a_dead_channel_with_a_bias_stays_within_32_bits():
    net = Small()
    with torch.no_grad():
        net.conv1.weight[2] *= 1e-20
        net.conv1.bias[2] = 5.0
    module, plans = plans_of(program_of(net, 3, 8, 8))
    weight = integer_weight(module, plans[0], (Parameters(0.02, 0), Parameters(0.05, 0)))
    assert 5.0 / (0.02 * float(weight.scale[2])) <= 2.0**30 * 1.001
    assert not bool(weight.values[2].any())


def test_transposed_convolutions_have_their_channels_second():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 5, 2, stride=2)

        def forward(self, x):
            return self.up(x)

    from edgewright.gq.annotate import Quantized

    module, plans = plans_of(small())
    donor = plans[0]
    module = ir.unlift(program_of(Net(), 3, 4, 4))
    node = next(n for n in module.graph.nodes if "conv_transpose" in ir.operator_name(n.target))
    weight = integer_weight(module, Quantized(node, node, (), (), donor.kernel, donor.scheme, False))
    assert (weight.axis, weight.scale.shape, weight.values.shape) == (1, (5,), (3, 5, 2, 2))
    restored = dequantized(module, weight, node)
    value = restored.target(*[ir.tensor_of(module, a) if hasattr(a, "op") else a for a in restored.args])
    original = ir.tensor_of(module, node.args[1])
    assert torch.allclose(value.double() + weight.error, original.double(), atol=1e-7)


@pytest.mark.parametrize(("bits", "group", "values"), [(4, 32, W4_DYNAMIC), (8, None, W8_DYNAMIC)])
def test_integers_from_aq_are_carried_untouched(bits, group, values):
    program, weight = brought(Grid(bits, True, group))
    module, (plan,) = plans_of(program, scheme(values))
    found = integer_weight(module, plan)
    assert found.source == "aq"
    assert found.module == "proj"
    assert torch.equal(found.values, weight.integers)
    assert torch.equal(found.scale.reshape(-1), weight.scale.reshape(-1))
    assert found.error is None


@pytest.mark.parametrize(
    ("grid", "values", "message"),
    [
        (Grid(4, True, 32), W8_DYNAMIC, "'proj' brings 4-bit weights per group of 32 from aq"),
        (Grid(8, True, None), W4_DYNAMIC, "'proj' brings 8-bit weights per channel"),
        (Grid(4, False, 32), W4_DYNAMIC, "brings asymmetric 4-bit"),
        (Grid(5, True, 32), W4_DYNAMIC, "brings 5-bit"),
    ],
)
def test_other_integers_than_the_scheme_asks_for_are_an_error(grid, values, message):
    with pytest.raises(ConfigError, match=message):
        plans_of(brought(grid)[0], scheme(values))


@pytest.mark.parametrize(("group", "wanted"), [
    (None, WeightScheme(symmetric=False)),
    (32, WeightScheme(bits=4, granularity="group", group=32, symmetric=False)),
])
def test_float_zero_points_from_aq_are_refused_and_not_cut_off(group, wanted):
    program, weight = brought(Grid(4, False, group), zero_point=torch.float32)
    assert weight.zero_point.is_floating_point()
    module = ir.unlift(program)
    with pytest.raises(ConfigError, match=r"'proj' brings float zero points .* \{hqq: \{zero_point: integer\}\}"):
        integers.check(module, _linear(module), wanted)
    whole = ir.unlift(brought(Grid(4, False, group))[0])
    integers.check(whole, _linear(whole), wanted)


def _linear(module):
    return next(node for node in module.graph.nodes if ir.operator_name(node.target) == "linear")


def test_weights_that_are_not_finite_are_named():
    net = Small()
    with torch.no_grad():
        net.conv2.weight[0, 0, 0, 0] = float("nan")
    module, plans = plans_of(program_of(net, 3, 8, 8))
    with pytest.raises(InputError, match="conv2"):
        integer_weight(module, plans[1])


def test_a_convolution_from_aq_gets_the_form_that_kernels_take():
    from edgewright.models import quantized

    net = Small()
    grid = Grid(8, True)
    matrix = net.conv2.weight.detach().flatten(1)
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    quantized.replace(net, "conv2", WeightFormat(grid, tuple(net.conv2.weight.shape))).assign(weight)
    module, plans = plans_of(program_of(net, 3, 8, 8))
    found = integer_weight(module, plans[1])
    assert (found.source, found.module, found.scale.shape) == ("aq", "conv2", (8,))
    assert torch.equal(found.values.flatten(1), weight.integers)
    restored = dequantized(module, found, plans[1].node)
    assert ir.operator_name(restored.target) == "dequantize_per_channel"

import math

import pytest
import torch
from torch.nn import functional as F

from edgewright import ir
from edgewright.targets import Kernel
from edgewright.targets.one_operator import Example, one_operator

LINEAR = Example(F.linear, ((1, 4, 32),), (16, 32))
TRANSPOSED = Example(lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), ((1, 8, 4, 4),), (8, 16, 2, 2), axis=1)


def kernel(weights: dict[str, object] | None, activations: dict[str, object] | None) -> Kernel:
    return Kernel.model_validate({"name": "k", "weights": weights, "activations": activations})


def calls(program: torch.export.ExportedProgram, op: str) -> list[torch.fx.Node]:
    return [n for n in program.graph.nodes if n.op == "call_function" and ir.operator_name(n.target) == op]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("power_of_two", [False, True])
def test_activations_are_on_the_grid_of_the_form(bits: int, symmetric: bool, power_of_two: bool) -> None:
    form = {"bits": bits, "mode": "static", "symmetric": symmetric, "power_of_two": power_of_two}
    program, (values,), step = one_operator(Example(torch.sigmoid), kernel(None, form), shared=False)
    read, written = calls(program, "quantize_per_tensor")
    for node in (read, written):
        scale, zero_point, low, high, dtype = node.args[1:]
        assert (low, high) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        assert dtype == (torch.int8 if bits == 8 else torch.int16)
        assert math.log2(scale).is_integer() == power_of_two
        assert not symmetric or zero_point == 0
    assert step == written.args[1]
    scale, zero_point, low, high, _ = read.args[1:]
    assert (low - zero_point) * scale <= values.min() + scale
    assert (high - zero_point) * scale >= values.max() - scale


@pytest.mark.parametrize(
    ("bits", "granularity", "symmetric", "power_of_two"),
    [(2, "channel", True, False), (4, "tensor", True, True), (8, "channel", False, True), (16, "channel", True, False)],
)
def test_weights_are_on_the_grid_of_the_form(
    bits: int, granularity: str, symmetric: bool, power_of_two: bool
) -> None:
    form = {"bits": bits, "granularity": granularity, "symmetric": symmetric, "power_of_two": power_of_two}
    program, inputs, step = one_operator(LINEAR, kernel(form, None), shared=False)
    (node,) = calls(program, "dequantize_per_tensor" if granularity == "tensor" else "dequantize_per_channel")
    low, high, dtype = node.args[-3:]
    assert high == 2 ** (bits - 1) - 1
    assert dtype == (torch.int16 if bits == 16 else torch.int8)
    weight = program.state_dict["weight"]
    assert weight.dtype == dtype
    assert low <= int(weight.min()) <= int(weight.max()) <= high
    scales = [node.args[1]] if granularity == "tensor" else program.state_dict["scale"].tolist()
    assert not power_of_two or all(math.log2(scale).is_integer() for scale in scales)
    zeros = [node.args[2]] if granularity == "tensor" else program.state_dict["zero_point"].tolist()
    assert not symmetric or not any(zeros)
    assert step is None
    quantized = program.module(check_guards=False)(torch.from_numpy(inputs[0]))
    exact = one_operator(LINEAR, None, shared=False)[0].module(check_guards=False)(torch.from_numpy(inputs[0]))
    assert 0 < float((quantized - exact).abs().max()) < 4 * 2.0 ** (2 - bits) * 8


def test_channels_lie_along_the_axis_of_the_example() -> None:
    form = kernel({"bits": 8, "granularity": "channel"}, {"bits": 8, "mode": "static"})
    program, _, _ = one_operator(TRANSPOSED, form, shared=False)
    (node,) = calls(program, "dequantize_per_channel")
    assert node.args[3] == 1
    assert program.state_dict["scale"].shape == program.state_dict["bias"].shape == (16,)


def test_what_is_fused_follows_with_no_pair_between() -> None:
    form = kernel(None, {"bits": 8, "mode": "static"})
    program, _, _ = one_operator(Example(torch.neg), form, shared=False, fused=Example(F.relu))
    (relu,) = calls(program, "relu")
    assert ir.operator_name(relu.args[0].target) == "neg"


def test_dynamic_activations_are_chosen_per_token() -> None:
    form = kernel({"bits": 4, "granularity": "group", "group_multiple": 32}, {"bits": 8, "mode": "dynamic"})
    program, _, step = one_operator(LINEAR, form, shared=False)
    (chosen,) = calls(program, "choose_qparams_affine")
    assert chosen.args[2] == [1, 1, 32]
    assert step is not None

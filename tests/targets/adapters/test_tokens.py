import pytest
import torch
from torch.nn import functional as F

from edgewright import ir
from edgewright.targets.adapters._tokens import find
from edgewright.targets.one_operator import Example, one_operator
from edgewright.targets.schema import Kernel, KernelActivations, KernelWeights

LINEAR = Example(F.linear, ((1, 4, 64),), (8, 64))


def found(activations=None, **weights):
    kernel = Kernel(name="form", weights=KernelWeights(**weights),
                    activations=None if activations is None else KernelActivations(**activations))  # fmt: skip
    program, _, _ = one_operator(LINEAR, kernel, shared=False)
    return find(ir.unlift(program))


@pytest.mark.parametrize(
    ("weights", "bits", "group", "groups"),
    [
        ({"bits": 4, "granularity": "group", "group_multiple": 32}, 4, 32, 2),
        ({"bits": 8, "granularity": "channel"}, 8, 64, 1),
        ({"bits": 4, "granularity": "channel", "symmetric": False}, 4, 64, 1),
        ({"bits": 2, "granularity": "tensor"}, 4, 64, 1),
    ],
)
def test_weights_alone_are_found_with_their_scales(weights, bits, group, groups):
    (linear,) = found(**weights)
    assert (linear.bits, linear.group, linear.scale.shape) == (bits, group, (8, groups))
    assert (linear.is_dynamic, linear.source.name) == (False, "inputs_0")
    assert bool(linear.zero_point.any()) == (not weights.get("symmetric", True))


@pytest.mark.parametrize("symmetric", [False, True])
def test_dynamic_activations_are_looked_through(symmetric):
    (linear,) = found({"bits": 8, "mode": "dynamic", "symmetric": symmetric}, bits=8, granularity="channel")
    assert (linear.is_dynamic, linear.symmetric, linear.source.name) == (True, symmetric, "inputs_0")


def test_static_activations_count_where_they_are_wide():
    assert found({"bits": 8, "mode": "static"}, bits=8, granularity="channel") == []
    (linear,) = found({"bits": 16, "mode": "static"}, bits=8, granularity="channel")
    assert ir.operator_name(linear.source.target) == "dequantize_per_tensor"
    assert found({"bits": 16, "mode": "static"}, bits=16, granularity="channel") == []
    assert linear.integers.dtype == torch.int8

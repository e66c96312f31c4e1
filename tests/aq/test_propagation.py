"""Labels travel as scales do: what an operator lets through is checked by scaling a channel."""

import pytest
import torch
from torch.nn import functional

from edgewright.aq.propagation import FREE, constant, mapping, propagate, reads_values


def _labels(shape, axis):
    view = [1] * len(shape)
    view[axis] = -1
    return torch.arange(shape[axis], dtype=torch.int32).reshape(view).expand(shape)


def _passage(function, x, label, *args, **kwargs):
    output = function(x, *args, **kwargs)
    name = function.overloadpacket.__name__
    return propagate(
        function, name, (x, *args), kwargs, output, lambda value: label if value is x else None
    )  # fmt: skip


_ATEN = torch.ops.aten


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (_ATEN.relu.default, (), {}),
        (_ATEN.view.default, ([2, 3, 2, 2],), {}),
        (_ATEN.transpose.int, (1, 2), {}),
        (_ATEN.slice.Tensor, (2, 1, 3), {}),
        (_ATEN.flip.default, ([2],), {}),
        (_ATEN.mul.Tensor, (-2.5,), {}),
        (_ATEN._to_copy.default, (), {"dtype": torch.float64}),
        (_ATEN.mean.dim, ([1],), {}),
        (_ATEN.constant_pad_nd.default, ([0, 2], 0.0), {}),
    ],
)
def test_scaling_a_channel_scales_what_carries_its_label(function, args, kwargs):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4)
    label = _labels(x.shape, 2)
    ((output, passed),) = _passage(function, x, label, *args, **kwargs).outputs
    factors = torch.rand(4) + 0.5
    scaled = function(x * factors, *args, **kwargs)
    expected = output * torch.where(passed == FREE, 1.0, factors[passed.clamp(min=0).long()])
    torch.testing.assert_close(scaled, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (_ATEN.silu.default, ()),
        (_ATEN.sum.dim_IntList, ([2],)),
        (_ATEN.constant_pad_nd.default, ([0, 2], 1.0)),
        (_ATEN.add.Tensor, (1.0,)),
        (_ATEN.reciprocal.default, ()),
    ],
)
def test_what_does_not_scale_is_stopped(function, args):
    x = torch.randn(2, 3, 4)
    passage = _passage(function, x, _labels(x.shape, 2), *args)
    assert passage.outputs == ()
    assert len(passage.stopped) == 1


def test_of_attention_only_the_values_pass_and_heads_of_a_group_share_theirs():
    query, key, value = torch.randn(1, 4, 5, 8), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8)
    output = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    labels = {id(key): _labels(key.shape, 3), id(value): _labels((1, 2, 5, 8), 3) + torch.tensor([0, 8])[:, None, None]}
    function = _ATEN._scaled_dot_product_flash_attention_for_cpu.default
    passage = propagate(
        function, "_scaled_dot_product_flash_attention_for_cpu", (query, key, value), {}, (output,),
        lambda item: labels.get(id(item)),
    )  # fmt: skip
    ((_, passed),) = passage.outputs
    assert passed[0, :, 0, 0].tolist() == [0, 0, 8, 8]
    assert len(passage.stopped) == 1


def test_mapping_finds_the_channel_of_each_position_or_none_where_several_mix():
    label = _labels((2, 3, 4), 2).clone()
    assert mapping(label, 2).tolist() == [0, 1, 2, 3]
    label[:, :, 1] = FREE
    assert mapping(label, 2).tolist() == [0, FREE, 2, 3]
    assert mapping(label, 1) is None


def test_a_label_is_constant_up_to_zeros():
    label = torch.tensor([[1, FREE, 1], [2, 2, FREE]])
    assert constant(label, (1,)).tolist() == [[1], [2]]
    assert constant(label, (0,)) is None


def test_only_shapes_are_read_by_what_makes_zeros():
    assert not reads_values("zeros_like")
    assert reads_values("add")

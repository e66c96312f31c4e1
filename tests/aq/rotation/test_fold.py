import pytest
import torch
from torch import nn

from edgewright.aq.rotation.discover import discover
from edgewright.aq.rotation.fold import Fold
from edgewright.rotation.rotation import rotation


class _Net(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 6, bias=bias)
        nn.init.uniform_(self.norm.weight, 0.5, 2.0)
        nn.init.normal_(self.norm.bias)

    def forward(self, x):
        return self.second(self.norm(self.first(x)))


def _made(bias=True):
    torch.manual_seed(0)
    net = _Net(bias).double().requires_grad_(False)
    x = torch.randn(5, 6, dtype=torch.float64)
    return net, x, net(x)


def _fold(net, x):
    space = discover(net, lambda: net(x))[0]
    fold = Fold(net)
    return fold, space, fold.obstacle(space)


@pytest.mark.parametrize(("bias", "gain"), [(True, 1.0), (False, 1.0), (True, 0.0)])
def test_a_norm_keeps_running_with_a_gain_of_one(bias, gain):
    net, x, _ = _made(bias)
    net.norm.weight[2] *= gain
    expected = net(x)
    fold, space, obstacle = _fold(net, x)
    assert obstacle is None
    fold.rotate(space, rotation(8, 0, space.keeps_ones))
    assert torch.equal(net.norm.weight, torch.ones_like(net.norm.weight))
    torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-9)


def test_a_shift_that_neither_a_gain_nor_a_bias_can_take_is_an_obstacle():
    net, x, _ = _made(bias=False)
    net.norm.weight[2] = 0
    assert _fold(net, x)[2] == "norm.weight is almost 0 in places, and second has no bias to take the norm's shift"


def test_all_is_taken_back():
    net, x, expected = _made()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fold, space, _ = _fold(net, x)
    fold.rotate(space, rotation(8, 0, space.keeps_ones))
    assert not torch.equal(net.first.weight, before["first.weight"])
    fold.undo()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(net(x), expected)


class _Tied(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.embed, self.norm, self.head = nn.Embedding(12, 8), nn.RMSNorm(8), nn.Linear(8, 12, bias=False)
        nn.init.uniform_(self.norm.weight, 0.5, 2.0)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.norm(self.embed(ids)))


@pytest.mark.parametrize("tied", [True, False])
def test_weights_that_only_transformers_could_record_as_untied_stay_one(tied):
    torch.manual_seed(0)
    net = _Tied(tied).requires_grad_(False)
    _, _, obstacle = _fold(net, torch.arange(5).unsqueeze(0))
    expected = "head shares embed.weight, and nothing beside the model can record that it has a weight of its own"
    assert obstacle == (expected if tied else None)

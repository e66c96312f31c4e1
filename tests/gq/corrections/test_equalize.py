import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.gq.corrections import equalize
from tests.gq.nets import nodes, noise, program_of


class Chain(nn.Module):
    """conv, activation, depthwise, activation, conv: channels of very different ranges."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.deep = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.last, self.activation = nn.Conv2d(6, 4, 1), activation
        with torch.no_grad():
            self.first.weight *= torch.logspace(-2, 2, 6).reshape(-1, 1, 1, 1)
            self.last.weight *= torch.logspace(2, -2, 6).reshape(1, -1, 1, 1)

    def forward(self, x):
        return self.last(self.activation(self.deep(self.activation(self.first(x)))))


def prepared(net, *shape):
    torch.manual_seed(0)
    program = program_of(net, *(shape or (3, 8, 8)))
    module = ir.unlift(program)
    return program, module, equalize.prepare(module)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU()])
def test_ranges_on_either_side_are_equal_and_the_function_is_the_same(activation):
    program, module, changed = prepared(Chain(activation))
    assert changed == ("deep", "first", "last")
    convs = nodes(module, "conv2d")
    first, deep, last = (ir.tensor_of(module, node.args[1]) for node in convs)
    written = [first.flatten(1).abs().amax(1), deep.flatten(1).abs().amax(1)]
    read = [deep.flatten(1).abs().amax(1), last.transpose(0, 1).flatten(1).abs().amax(1)]
    for above, below in zip(written, read, strict=True):
        torch.testing.assert_close(above, below, rtol=0.01, atol=0)
    inputs = torch.from_numpy(noise(3))
    with torch.no_grad():
        wanted = ir.unlift(program)(inputs)
        module.recompile()
        torch.testing.assert_close(module(inputs), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    # The program itself is untouched.
    assert not torch.equal(first, ir.tensor_of(ir.unlift(program), nodes(ir.unlift(program), "conv2d")[0].args[1]))


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.Sigmoid(), nn.Hardtanh()])
def test_what_is_not_homogeneous_is_refused(activation):
    _, _, changed = prepared(Chain(activation))
    assert changed == ()


class Branched(nn.Module):
    """A tensor that two operators read, a weight that two operators read, a grouped convolution, a dead channel."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.first, self.second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, groups=2 if kind == "grouped" else 1)

    def forward(self, x):
        y = torch.relu(self.first(x))
        z = self.second(y)
        if self.kind == "read twice":
            return z + y
        return self.first(torch.relu(z)) if self.kind == "shared" else z


@pytest.mark.parametrize("kind", ["read twice", "shared", "grouped"])
def test_pairs_whose_channels_are_not_their_own_are_left(kind):
    _, _, changed = prepared(Branched(kind), 4, 5, 5)
    assert changed == ()


def test_a_dead_channel_keeps_its_weights():
    net = Branched("")
    with torch.no_grad():
        net.first.weight[1] = 0
        net.second.weight[:, 2] = 0
    _, module, changed = prepared(net, 4, 5, 5)
    assert changed == ("first", "second")
    for node in nodes(module, "conv2d"):
        assert bool(torch.isfinite(ir.tensor_of(module, node.args[1])).all())
    assert torch.equal(ir.tensor_of(module, nodes(module, "conv2d")[1].args[1])[:, 1], net.second.weight[:, 1])

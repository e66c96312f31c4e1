import pytest
import torch
from torch import nn

from edgewright.gq import moments as subject
from edgewright.gq.moments import apply, by_channel, has_vectors, moments
from tests.gq.nets import program_of
from tests.gq.test_weights import plans_of

_LAYERS = {
    "conv": (nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 9, 9)),
    "dilated": (nn.Conv2d(4, 6, (3, 1), dilation=2), (4, 9, 9)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2, padding=(0, 1)), (4, 7, 7)),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (4, 7, 7)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2), (4, 11)),
    "linear": (nn.Linear(5, 3), (7, 5)),
}


def operator(net, shape):
    _, plans = plans_of(program_of(nn.Sequential(net), *shape), target="onnxruntime")
    return plans[0].node


@pytest.mark.parametrize("name", _LAYERS)
@torch.no_grad()
def test_the_error_of_an_output_follows_from_the_moments(name):
    torch.manual_seed(0)
    net, shape = _LAYERS[name]
    node, weight = operator(net, shape), net.weight
    inputs = [torch.randn(3, *shape) + 0.5, torch.randn(2, *shape)]
    outputs = [net(value) + 0.1 for value in inputs]
    assert has_vectors(node)
    found = moments(node, weight.shape, inputs, outputs)
    groups = len(found.square)
    other = weight + 0.1 * torch.randn_like(weight)
    matrix = other.flatten(1).double().unflatten(0, (groups, -1))
    wrong = torch.cat([by_channel(node, apply(node, value, other) - output) for value, output in
                       zip(inputs, outputs, strict=True)], 1).double()
    outer = torch.einsum("grc,gcd,grd->gr", matrix, found.square, matrix)
    inner = torch.einsum("grc,grc->gr", matrix, found.cross)
    power = torch.cat([by_channel(node, output) for output in outputs], 1).double().square().mean(1)
    torch.testing.assert_close((outer - 2 * inner).flatten() + power, wrong.square().mean(1), rtol=1e-4, atol=1e-5)
    centered = found.centered()
    spread = torch.einsum("grc,gcd,grd->gr", matrix, centered.square, matrix)
    alone = torch.cat([by_channel(node, apply(node, value, other)) for value in inputs], 1).double()
    torch.testing.assert_close(spread.flatten(), alone.var(1, correction=0), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_vectors_are_left_out_evenly(monkeypatch):
    monkeypatch.setattr(subject, "VECTORS", 10)
    net, shape = _LAYERS["linear"]
    inputs = [torch.randn(4, *shape)]
    found = moments(operator(net, shape), net.weight.shape, inputs, [net(inputs[0])])
    kept = inputs[0].reshape(-1, 5)[::3].double()
    torch.testing.assert_close(found.square[0], kept.T @ kept / len(kept), rtol=1e-5, atol=1e-6)


def test_a_convolution_whose_padding_is_a_word_has_none():
    node = operator(nn.Conv2d(4, 6, 3, padding="same"), (4, 7, 7))
    assert has_vectors(node) == (not isinstance(node.args[4], str))

import torch

from edgewright import ir
from edgewright.compare.interpreters import Alone, TeacherForced
from edgewright.compare.values import places
from tests.gq.nets import noise, small


def test_one_tensor_replaced_is_the_program_with_that_tensor():
    module = ir.unlift(small())
    found = places(module)
    x = torch.from_numpy(noise(3))
    alone = Alone(module)
    with torch.no_grad():
        expected = alone.run((x,))
        assert torch.equal(expected[0], module(x))
        changed = alone.value(found["conv2d_1"].node) + 1
        (made,) = alone.replaced(found["conv2d_1"], changed)
        y = torch.relu(nn_conv(module, "conv1", x, 1))
        z = nn_conv(module, "conv2", y, 1) + 1
        features = torch.relu(y + z).mean((2, 3))
        wanted = torch.nn.functional.linear(features, *tensors(module, "head"))
    assert torch.allclose(made, wanted, atol=1e-6)
    # The run that all go on from is as it was.
    assert torch.equal(alone.replaced(found["linear"], expected[0])[0], expected[0])


def test_each_operator_reads_the_tensors_of_the_reference():
    module = ir.unlift(small())
    found = places(module)
    x = torch.from_numpy(noise(2))
    shown = {}
    forced = TeacherForced(module, list(found.values()), shown.__setitem__)
    with torch.no_grad():
        alone = Alone(module)
        alone.run((x,))
        forced.reference = {place.node: 2 * alone.value(place.node) for place in found.values()}
        forced.run(x)
        conv = nn_conv(module, "conv1", 2 * x, 1)
    assert torch.allclose(shown[found["conv2d"].node], conv, atol=1e-6)
    assert torch.allclose(shown[found["relu"].node], torch.relu(2 * alone.value(found["conv2d"].node)), atol=1e-6)


def tensors(module, name):
    owner = module.get_submodule(name)
    return owner.weight, owner.bias


def nn_conv(module, name, x, padding):
    return torch.nn.functional.conv2d(x, *tensors(module, name), padding=padding)

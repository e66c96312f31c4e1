import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright import ir
from edgewright.aq.observe import observed
from edgewright.errors import InputError
from edgewright.files import write_json
from edgewright.models import packed, quantized, rotated
from edgewright.models.checkpoints import dequantized, native
from edgewright.models.quantized import WeightFormat
from edgewright.models.rotated import InputRotation, RotatedLinear
from edgewright.rotation.rotation import online_rotation
from edgewright.rounding import Grid, min_max, quantize


def _linear(width, seed=3):
    """A plain Linear, and the same with its input rotated."""
    torch.manual_seed(0)
    plain, turned = nn.Linear(width, 6), nn.Linear(width, 6)
    turned.load_state_dict(plain.state_dict())
    made = rotated.behind_rotation(turned, seed)
    made.weight.data = made.rotation.rotation.apply(made.weight.data)
    return plain, made


def _integers(module, grid, *, seed):
    matrix = module.weight.detach()
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    return weight, WeightFormat(grid, tuple(matrix.shape), rotation=seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [8, 44, 86, 172, 192, 8192])
def test_it_multiplies_by_the_rotation_of_the_weights(width, dtype):
    x = torch.randn(2, 3, width, dtype=dtype)
    found = InputRotation(width, 1, dtype)(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, online_rotation(width, 1).apply(x))


@pytest.mark.parametrize("width", [44, 86, 192])
def test_the_function_is_that_of_the_plain_layer(width):
    plain, turned = _linear(width)
    x = torch.randn(5, width)
    torch.testing.assert_close(turned(x), plain(x), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(turned.weight, plain.weight, atol=1e-2)
    back = rotated.without_rotation(turned)
    assert type(back) is nn.Linear
    assert back.state_dict().keys() == plain.state_dict().keys()


def test_factors_are_counted_shared_and_not_stored():
    first, second = InputRotation(172, 0), InputRotation(172, 0)
    assert first.orders == (172,)
    assert first.multiply_adds == 172 * 172
    assert InputRotation(8192, 0).multiply_adds == 8192 * (64 + 64 + 2)
    assert InputRotation(86, 0).orders == (2,)
    assert first.factor0 is second.factor0
    assert not first.state_dict()


def test_what_is_watched_is_the_rotated_input():
    _, turned = _linear(24)
    seen = []
    x = torch.randn(4, 24)
    with observed({"fc": turned}, lambda _, value: seen.append(value)):
        turned(x)
    torch.testing.assert_close(seen[0], turned.rotation.rotation.apply(x))


@pytest.mark.parametrize("grid", [Grid(8, True), Grid(4, False, 4), Grid(3, False, 5)])
def test_integers_take_its_place_and_export_to_plain_operators(grid):
    _, turned = _linear(24)
    weight, form = _integers(turned, grid, seed=3)
    net = nn.Sequential(turned)
    quantized.replace(net, "0", form).assign(weight)
    x = torch.randn(3, 5, 24)
    expected = functional.linear(turned.rotation(x), weight.dequantize(), turned.bias)
    assert torch.allclose(net(x), expected, atol=1e-6)
    program = ir.export(net.eval(), [((5, 24), torch.float32)])
    assert torch.equal(program.module()(x), net(x))
    names = {ir.operator_name(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert names <= {"matmul", "transpose", "unflatten", "view", "reshape", "flatten", "linear", "pad",
                     "dequantize_affine"}  # fmt: skip


def test_the_weight_without_rotation_is_that_of_a_plain_layer():
    plain, turned = _linear(44)
    weight, form = _integers(turned, Grid(8, True), seed=3)
    net = nn.Sequential(turned)
    quantized.replace(net, "0", form).assign(weight)
    torch.testing.assert_close(net[0].float_weight(), plain.weight.detach(), rtol=0, atol=4e-3)
    plain.weight.data = dequantized.tensors(net)["0.weight"]
    x = torch.randn(3, 44)
    torch.testing.assert_close(plain(x), net(x), rtol=1e-5, atol=1e-5)


def test_a_checkpoint_states_rotations_of_integer_and_of_float_layers(tmp_path):
    net, other = nn.Sequential(_linear(24)[1], nn.ReLU(), _linear(6, 5)[1]), None
    weight, form = _integers(net[0], Grid(4, True, 5), seed=3)
    quantized.replace(net, "0", form).assign(weight)
    for name, content in native.documents(net).items():
        write_json(tmp_path / name, content)
    other = nn.Sequential(nn.Linear(24, 6), nn.ReLU(), nn.Linear(6, 6))
    native.prepare(other, tmp_path)
    other.load_state_dict(native.tensors(net))
    x = torch.randn(4, 24)
    assert torch.equal(other(x), net(x))
    assert native.read(tmp_path) == {"0": form}
    assert isinstance(other[2], RotatedLinear)
    plain = nn.Sequential(nn.Linear(24, 6), nn.ReLU(), nn.Linear(6, 6))
    plain.load_state_dict(dequantized.tensors(net))
    torch.testing.assert_close(plain(x), net(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["compressed-tensors", "gptq", "awq"])
def test_layouts_without_the_operator_refuse_it(layout):
    net = nn.Sequential(_linear(24)[1])
    assert "0: its input is rotated at run time" in packed.refusal(layout, net)
    weight, form = _integers(net[0], Grid(4, True, 8), seed=3)
    quantized.replace(net, "0", form).assign(weight)
    assert "0: its input is rotated at run time" in packed.refusal(layout, net)


def test_integers_of_another_input_are_refused(tmp_path):
    net = nn.Sequential(_linear(24)[1])
    with pytest.raises(InputError, match=r"0: its input is rotated \(seed 3\)"):
        quantized.replace(net, "0", WeightFormat(Grid(4, True), (6, 24)))
    for content, message in (({"1": 0}, "rotated.1: the model has no such module"), ({"0": 0}, "no plain Linear")):
        write_json(tmp_path / native.FILE, native.describe({}) | {"rotated": content})
        with pytest.raises(InputError, match=message):
            native.prepare(net, tmp_path)


def test_what_cannot_be_rotated_is_refused():
    assert rotated.refusal(nn.Linear(24, 2)) is None
    assert "order divides 5" in rotated.refusal(nn.Linear(5, 2))
    assert "no plain Linear" in rotated.refusal(nn.Conv2d(3, 4, 1))

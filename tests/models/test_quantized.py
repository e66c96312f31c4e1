import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.errors import InputError
from edgewright.files import write_json
from edgewright.models import quantized
from edgewright.models.checkpoints import native
from edgewright.models.quantized import QuantizedConv2d, QuantizedLinear, WeightFormat
from edgewright.rounding import Grid, min_max, quantize


class Padded(nn.Conv2d):
    """Pads below and to the right only, as TensorFlow does."""

    def forward(self, x):
        return super().forward(functional.pad(x, (0, 1, 0, 1)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.wide = Padded(3, 4, 3, stride=2), nn.Conv2d(4, 6, 1, groups=2, bias=False)
        self.fc = nn.Linear(6 * 16, 20)

    def forward(self, x):
        return self.fc(self.wide(self.conv(x)).flatten(1))


def _quantize(net, grid):
    formats = {}
    expected = {}
    for name in ("conv", "wide", "fc"):
        matrix = net.get_submodule(name).weight.detach().flatten(1)
        weight = quantize(matrix, *min_max(matrix, grid), grid)
        formats[name] = WeightFormat(grid, tuple(net.get_submodule(name).weight.shape))
        expected[name] = weight.dequantize().reshape(formats[name].shape)
        quantized.replace(net, name, formats[name]).assign(weight)
    return formats, expected


_GRIDS = [Grid(8, True), Grid(4, False), Grid(4, True, 2), Grid(3, False, 5), Grid(4, True, 32)]


@pytest.mark.parametrize("grid", _GRIDS[:4])
def test_it_computes_with_the_dequantized_weights(grid):
    torch.manual_seed(0)
    net, other, x = Net(), Net(), torch.randn(2, 3, 8, 8)
    grid = Grid(grid.bits, grid.symmetric, 2) if grid.group == 5 else grid
    other.load_state_dict(net.state_dict())
    _, expected = _quantize(net, grid)
    for name, weight in expected.items():
        other.get_submodule(name).weight.data = weight
    assert isinstance(net.conv, (QuantizedConv2d, Padded))
    assert type(net.fc) is QuantizedLinear
    assert torch.equal(net(x), other(x))


@pytest.mark.parametrize("grid", _GRIDS)
def test_a_linear_exports_to_constant_dequantize_linear(grid):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(44, 6))
    matrix = net[0].weight.detach()
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    quantized.replace(net, "0", WeightFormat(grid, (6, 44))).assign(weight)
    x = torch.randn(3, 44)
    assert torch.allclose(net(x), functional.linear(x, weight.dequantize(), net[0].bias), atol=1e-6)
    program = torch.export.export(net.eval(), (x,))
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    dequantize = next(node for node in calls if "dequantize_affine" in str(node.target))
    assert all(node.op == "placeholder" for node in dequantize.all_input_nodes)
    assert [str(user.target) for user in dequantize.users] == ["aten.linear.default"]
    pads = ["aten.pad.default"] if 44 % grid.width(44) else []
    assert [str(node.target) for node in calls if node is not dequantize] == [*pads, "aten.linear.default"]
    assert torch.equal(program.module()(x), net(x))


def test_a_convolution_per_channel_exports_without_a_reshape():
    net = Net().eval()
    _quantize(net, Grid(8, True))
    program = torch.export.export(net, (torch.randn(2, 3, 8, 8),))
    names = [str(node.target) for node in program.graph.nodes if "dequantize" in str(node.target)]
    convolutions = [node for node in program.graph.nodes if "conv2d" in str(node.target)]
    assert len(names) == 3
    assert all("dequantize" in str(node.args[1].target) for node in convolutions)


def test_a_checkpoint_comes_back(tmp_path):
    torch.manual_seed(0)
    net, x = Net(), torch.randn(2, 3, 8, 8)
    formats, _ = _quantize(net, Grid(4, False, 2))
    write_json(tmp_path / native.FILE, native.describe(formats))
    other = Net()
    native.prepare(other, tmp_path)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
    assert native.read(tmp_path) == formats
    assert torch.equal(other.fc.dequantized(), net.fc.dequantized())


def test_float_zero_points_come_back(tmp_path):
    formats = {"0": WeightFormat(Grid(4, False, 4), (3, 8), float_zero_point=True)}
    write_json(tmp_path / native.FILE, native.describe(formats))
    net = nn.Sequential(nn.Linear(8, 3))
    native.prepare(net, tmp_path)
    assert net[0].weight_zero_point.dtype == torch.float32


class _Own(nn.Linear):
    def forward(self, x):
        return super().forward(x) + 1


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("1.gone", (3, 8), "no such module"),
        ("1", (3, 8), "ReLU has no quantized form"),
        ("0", (8, 3), r"weight of shape \[3, 8\] in the model"),
        ("2", (8, 3), "overrides the forward of Linear"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, shape, message):
    net = nn.Sequential(nn.Linear(8, 3), nn.ReLU(), _Own(3, 8))
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        quantized.replace(net, name, WeightFormat(Grid(4, True), shape))


def test_a_range_that_is_not_that_of_its_bits_is_refused(tmp_path):
    content = native.describe({"0": WeightFormat(Grid(4, True, 4), (3, 8))})
    content["modules"]["0"]["qmax"] = 8
    write_json(tmp_path / native.FILE, content)
    with pytest.raises(InputError, match=r"modules\.0: qmin\.\.qmax -8\.\.8, its bits give -8\.\.7"):
        native.read(tmp_path)


@pytest.mark.parametrize("grid", [Grid(8, True), Grid(4, False, 4), Grid(4, True, 5)])
def test_an_embedding_gathers_before_it_dequantizes(grid):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(9, 12), nn.Linear(12, 3)).eval()
    matrix = net[0].weight.detach()
    weight = quantize(matrix, *min_max(matrix, grid), grid)
    quantized.replace(net, "0", WeightFormat(grid, (9, 12))).assign(weight)
    ids = torch.tensor([[1, 8, 0], [3, 3, 5]])
    assert torch.equal(net[0](ids), weight.dequantize()[ids])
    program = torch.export.export(net, (ids,))
    values = (node.meta["val"] for node in program.graph.nodes if node.op == "call_function")
    floats = [value for value in values if isinstance(value, torch.Tensor)]
    assert not any(value.shape[0] == 9 for value in floats)
    assert torch.equal(program.module()(ids), net(ids))


class _Scaled(nn.Embedding):
    def forward(self, ids):
        return super().forward(ids) * 2


def test_embeddings_that_do_more_are_refused():
    net = nn.Sequential(_Scaled(4, 8), nn.Embedding(4, 8, max_norm=1.0), nn.Embedding(4, 8))
    reasons = [quantized.embedding_refusal(module) for module in net]
    assert reasons == ["its class overrides the forward of Embedding", "it renormalizes its rows (max_norm)", None]
    with pytest.raises(InputError, match="0: its class overrides the forward of Embedding"):
        quantized.replace(net, "0", WeightFormat(Grid(8, True), (4, 8)))


@torch.no_grad()
def test_a_module_under_two_names_is_replaced_under_both():
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    net.append(net[0])
    new = quantized.replace(net, "0", WeightFormat(Grid(8, True), (8, 8)))
    assert net[0] is new
    assert net[2] is new
    assert set(quantized.quantized_modules(net)) == {"0"}

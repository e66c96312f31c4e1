import pytest
import torch

from edgewright.aq.rounders.rtn import Algorithm, Options, group_moments
from edgewright.config import AqRecipe
from edgewright.rounding import group_errors
from tests.aq.nets import make, whole


@pytest.mark.parametrize("symmetric", [True, False])
@torch.no_grad()
def test_it_rounds_to_the_nearest_point_of_the_grid(symmetric):
    model, sample = make("mlp")
    block = whole(model, sample, AqRecipe(bits=3, group=5, symmetric=symmetric))
    for name, weight in Algorithm(Options()).round(block, list(block.layers)):
        layer = block.layers[name]
        levels = torch.arange(layer.grid.qmin, layer.grid.qmax + 1)
        split = layer.grid.split(layer.matrix).unsqueeze(-1)
        points = (levels - weight.zero_point[..., None, None].int()) * weight.scale[..., None, None]
        best = layer.grid.join((split - points).abs().amin(-1), layer.matrix.shape[1])
        torch.testing.assert_close((weight.dequantize() - layer.matrix).abs(), best, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "mlp"])
@torch.no_grad()
def test_moments_are_the_tiles_of_the_hessian(name):
    model, sample = make(name)
    block = whole(model, sample, AqRecipe(group=4))
    for layer in block.layers.values():
        hessian = block.statistics(layer.name).hessian
        moments = group_moments(layer, block.statistics(layer.name))
        rows, columns = layer.matrix.shape
        own = moments if moments.ndim == 4 else moments.expand(rows, *moments.shape)
        for row in (0, rows - 1):
            weight_group = row // (rows // hessian.shape[0])
            last = columns - columns % 4
            assert torch.equal(own[row, 0], hessian[weight_group, :4, :4])
            if columns % 4:
                assert torch.equal(own[row, -1, : columns % 4, : columns % 4], hessian[weight_group, last:, last:])
                assert not own[row, -1, columns % 4 :].any()


@torch.no_grad()
def test_clipping_lowers_the_error_of_outliers():
    model, sample = make("mlp")
    for layer in (model.module[0], model.module[2]):
        layer.weight[:, 1] *= 6
        layer.weight[:, 2] = 0
    sample.inputs["x"][:, 1] *= 0.05
    block = whole(model, sample, AqRecipe(bits=3, clip=True))
    clipped = dict(Algorithm(Options()).round(block, ["0"]))["0"]
    plain = whole(model, sample, AqRecipe(bits=3))
    nearest = dict(Algorithm(Options()).round(plain, ["0"]))["0"]
    layer, moments = block.layers["0"], group_moments(block.layers["0"], block.statistics("0"))
    errors = [
        group_errors(layer.matrix, weight.dequantize(), layer.grid, moments).sum() for weight in (clipped, nearest)
    ]
    assert errors[0] < 0.8 * errors[1]

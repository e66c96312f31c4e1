import pytest
import torch

from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.rounders.hqq import Algorithm, Options
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


def _rounded(block, **options):
    return dict(Algorithm(Options(**options)).round(block, list(block.layers)))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("options", [{}, {"p": 0.7}, {"zero_point": "integer"}], ids=str)
@torch.no_grad()
def test_no_group_is_worse_than_rounded_to_nearest(options, symmetric):
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(bits=3, group=6, symmetric=symmetric))
    algorithm = Algorithm(Options(**options))
    plain = {name: round_to_nearest(layer) for name, layer in block.layers.items()}
    found = _rounded(block, **options)
    for name, weight in found.items():
        layer = block.layers[name]
        split = [layer.grid.split((item.dequantize() - layer.matrix).abs() ** algorithm.options.p).sum(-1)
                 for item in (weight, plain[name])]  # fmt: skip
        assert bool((split[0] <= split[1] * 1.0001 + 1e-9).all())
        is_float = not symmetric and algorithm.options.zero_point == "float"
        assert weight.zero_point.dtype == (torch.float32 if is_float else torch.int8)
    assert algorithm.objective(block, found) < 0.95 * algorithm.objective(block, plain)


@torch.no_grad()
def test_scale_and_zero_point_are_the_least_squares_fit_of_the_integers():
    model, sample = make("mlp")
    block = whole(model, sample, AqRecipe(bits=2, symmetric=False))
    for name, weight in _rounded(block, steps=100).items():
        matrix = block.layers[name].matrix
        for row, integers, scale, zero in zip(matrix, weight.integers, weight.scale, weight.zero_point, strict=True):
            design = torch.stack((integers.float(), torch.ones(len(row))), 1)
            slope, offset = torch.linalg.lstsq(design, row.unsqueeze(1)).solution.flatten()
            torch.testing.assert_close(scale[0], slope, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(-scale[0] * zero[0], offset, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_each_p_gives_the_least_error_of_its_own():
    model, sample = make("llama")
    block = whole(model, sample, AqRecipe(bits=3, group=16, symmetric=False))
    algorithms = [Algorithm(Options(p=p)) for p in (0.7, 2.0)]
    found = [dict(item.round(block, list(block.layers))) for item in algorithms]
    for own, algorithm in enumerate(algorithms):
        errors = [algorithm.objective(block, weights) for weights in found]
        assert errors[own] < 0.995 * errors[1 - own]


@torch.no_grad()
def test_ragged_groups_do_not_count_what_they_lack():
    model, sample = make("mlp")
    block = whole(model, sample, AqRecipe(bits=2, group=7, symmetric=False))
    whole_matrix = block.layers["0"].matrix.clone()
    ragged = _rounded(block)["0"].dequantize()[:, 7:]
    model.module[0].weight = torch.nn.Parameter(whole_matrix[:, 7:].clone(), requires_grad=False)
    model.module[0].in_features = 3
    sample.inputs["x"] = sample.inputs["x"][:, 7:]
    alone = _rounded(whole(model, sample, AqRecipe(bits=2, group=3, symmetric=False)))["0"].dequantize()
    torch.testing.assert_close(ragged, alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_zero_rows_are_exact():
    model, sample = make("mlp")
    model.module[0].weight[2] = 0
    weight = _rounded(whole(model, sample, AqRecipe(bits=3, symmetric=False)))["0"]
    assert not weight.dequantize()[2].any()

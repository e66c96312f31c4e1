import pytest
import torch

from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.rounders.adaround import Algorithm, Options
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


@pytest.mark.parametrize("net", ["llama", "cnn"])
@torch.no_grad()
def test_more_iterations_bring_the_output_nearer_at_the_same_scales(net):
    model, sample = make(net)
    block = whole(model, sample, AqRecipe(algorithms=("adaround",), bits=3))
    plain = {name: round_to_nearest(layer) for name, layer in block.layers.items()}
    algorithm = Algorithm(Options(iterations=300, scales="range"))
    found = dict(algorithm.round(block, list(block.layers)))
    assert algorithm.objective(block, found) < 0.9 * algorithm.objective(block, plain)
    for name, weight in found.items():
        assert torch.equal(weight.scale, plain[name].scale)
        assert int((weight.integers.int() - plain[name].integers.int()).abs().max()) <= 1


@torch.no_grad()
def test_the_search_of_scales_helps():
    model, sample = make("cnn")
    errors = {}
    for scales in ("range", "search"):
        block = whole(model, sample, AqRecipe(algorithms=("adaround",), bits=2))
        algorithm = Algorithm(Options(iterations=100, scales=scales))
        errors[scales] = algorithm.objective(block, dict(algorithm.round(block, list(block.layers))))
    assert errors["search"] < errors["range"]

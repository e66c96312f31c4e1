import torch

from edgewright.aq.nearest import round_to_nearest
from edgewright.config import AqRecipe
from tests.aq.nets import make, whole


@torch.no_grad()
def test_the_error_is_at_most_half_a_step():
    model, sample = make("mlp")
    layer = whole(model, sample, AqRecipe(bits=8, symmetric=True)).layers["0"]
    weight = round_to_nearest(layer)
    assert bool(((weight.dequantize() - layer.matrix).abs() <= weight.scale * 0.5001).all())

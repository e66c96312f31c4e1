"""The contract holds for every algorithm there is, on every architecture; a new file is tested without a line here."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright import registry
from edgewright.aq.algorithms import ROUNDERS, TRANSFORMS
from edgewright.aq.nearest import round_to_nearest
from edgewright.config import AqRecipe
from tests.aq.nets import NETS, make, outputs, relative, whole

_TRANSFORMS, _ROUNDERS = registry.names(TRANSFORMS), registry.names(ROUNDERS)
_QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_GRIDS = st.fixed_dictionaries(
    {
        "bits": st.integers(2, 8), "group": st.sampled_from([None, 3, 8]), "symmetric": st.booleans(),
        "clip": st.booleans(),
    }
)  # fmt: skip


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", _TRANSFORMS)
@torch.no_grad()
def test_a_transform_leaves_the_function_as_it_is(name, net, dtype, bound):
    model, sample = make(net)
    model.module.to(dtype)
    before = outputs(model, sample)
    block = whole(model, sample, AqRecipe(algorithms=(name,), bits=3, group=4))
    weights = {layer.name: layer.weight.clone() for layer in block.layers.values()}
    module = registry.load(TRANSFORMS, name)
    applied = module.Algorithm(module.Options()).apply(block, list(block.layers))
    changed = [layer for layer in block.layers.values() if not torch.equal(layer.weight, weights[layer.name])]
    assert changed, "the test sees nothing: no weight was changed"
    assert set(applied.layers) | {item.module for item in applied.skipped} == set(block.layers)
    assert relative(outputs(model, sample), before) < bound


@pytest.mark.parametrize("net", ["llama", "cnn", "mlp"])
@pytest.mark.parametrize("name", _ROUNDERS)
@_QUICK
@given(grid=_GRIDS, seed=st.integers(0, 99))
@torch.no_grad()
def test_a_rounder_is_never_worse_than_rtn(name, net, grid, seed):
    model, sample = make(net, seed)
    block = whole(model, sample, AqRecipe(algorithms=(name,), **grid))
    module = registry.load(ROUNDERS, name)
    rounder = module.Algorithm(module.Options())
    rounded = dict(rounder.round(block, list(block.layers)))
    assert rounded.keys() == block.layers.keys()
    plain = {key: round_to_nearest(layer) for key, layer in block.layers.items()}
    assert rounder.objective(block, rounded) <= rounder.objective(block, plain) * (1 + 1e-6)
    for key, weight in rounded.items():
        integers = weight.integers
        assert integers.dtype == torch.int8
        assert integers.shape == block.layers[key].matrix.shape
        assert weight.grid.qmin <= int(integers.min())
        assert int(integers.max()) <= weight.grid.qmax

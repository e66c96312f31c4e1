"""The contract holds for every algorithm there is, on every architecture; a new file is tested without a line here."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright import aq, registry
from edgewright.aq.algorithms import ROUNDERS, TRANSFORMS
from edgewright.aq.nearest import round_to_nearest
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.parallel import VARIABLE
from tests.aq.architectures import ARCHITECTURES, widen
from tests.aq.nets import NETS, make, outputs, relative, whole

_TRANSFORMS, _ROUNDERS = registry.names(TRANSFORMS), registry.names(ROUNDERS)
_EVERY = (*NETS, *ARCHITECTURES)
_COMPOSED = [
    (*transforms, rounder)
    for transforms in (*((name,) for name in _TRANSFORMS), *permutations(_TRANSFORMS, 2))
    for rounder in _ROUNDERS
]
_RUNS = [*((name,) for name in (*_TRANSFORMS, *_ROUNDERS)), tuple(_TRANSFORMS)]
_QUICK = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_GRIDS = st.fixed_dictionaries(
    {
        "bits": st.integers(2, 8), "group": st.sampled_from([None, 3, 8]), "symmetric": st.booleans(),
        "clip": st.booleans(),
    }
)  # fmt: skip


def _options(names, iterations=3):
    """Few iterations for those that iterate."""
    fields = {name: registry.load(ROUNDERS, name).Options.model_fields for name in names if name in _ROUNDERS}
    return {name: {"iterations": iterations} for name, known in fields.items() if "iterations" in known}


def _made(package, name, iterations=3):
    module = registry.load(package, name)
    return module.Algorithm(module.Options(**_options([name], iterations).get(name, {})))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("net", _EVERY)
@pytest.mark.parametrize("name", _TRANSFORMS)
@torch.no_grad()
def test_a_transform_leaves_the_function_as_it_is(name, net, dtype, bound):
    model, sample = make(net)
    if dtype == torch.float64:
        widen(model.module)
    before = outputs(model, sample)
    block = whole(model, sample, AqRecipe(algorithms=(name,), bits=3, group=4))
    weights = {layer.name: layer.weight.clone() for layer in block.layers.values()}
    applied = _made(TRANSFORMS, name).apply(block, list(block.layers))
    changed = [layer for layer in block.layers.values() if not torch.equal(layer.weight, weights[layer.name])]
    assert {*applied.layers, *(item.module for item in applied.skipped)} == set(block.layers)
    assert all(item.reason for item in applied.skipped)
    assert bool(changed) == bool(applied.layers)
    assert relative(outputs(model, sample), before) < bound


@pytest.mark.parametrize("name", _TRANSFORMS)
@torch.no_grad()
def test_a_transform_changes_most_layers_of_transformers(name):
    for net in ARCHITECTURES:
        model, sample = make(net)
        block = whole(model, sample, AqRecipe(algorithms=(name,), bits=4))
        applied = _made(TRANSFORMS, name).apply(block, list(block.layers))
        # In Gemma 2 norms follow the layers that write the residual stream, which then cannot be rotated.
        assert len(applied.layers) >= (0.25 if net == "gemma2" else 0.5) * len(block.layers), net


@pytest.mark.parametrize("net", ["llama", "cnn", "mlp"])
@pytest.mark.parametrize("name", _ROUNDERS)
@_QUICK
@given(grid=_GRIDS, seed=st.integers(0, 99))
@torch.no_grad()
def test_a_rounder_is_never_worse_than_rtn(name, net, grid, seed):
    block, rounder, rounded = _rounded(name, net, grid, seed)
    assert rounded.keys() == block.layers.keys()
    assert rounder.objective(block, rounded) <= rounder.objective(block, _plain(block)) * (1 + 1e-6)
    for key, weight in rounded.items():
        integers = weight.integers
        assert integers.dtype == torch.int8
        assert integers.shape == block.layers[key].matrix.shape
        assert weight.grid.qmin <= int(integers.min())
        assert int(integers.max()) <= weight.grid.qmax


@pytest.mark.parametrize("net", ["llama", "cnn"])
@pytest.mark.parametrize("name", [name for name in _ROUNDERS if name != "rtn"])
@torch.no_grad()
def test_a_rounder_is_better_than_rtn_with_planted_outliers(name, net):
    grid = {"bits": 3, "group": 8, "symmetric": False}
    block, rounder, rounded = _rounded(name, net, grid, 0, iterations=40, outliers=True)
    assert rounder.objective(block, rounded) < 0.95 * rounder.objective(block, _plain(block))


def _rounded(name, net, grid, seed, iterations=3, outliers=False):
    """A block, the rounder, and what it made of each layer by itself; with outliers in the weights if asked for."""
    model, sample = make(net, seed)
    if outliers:
        for parameter in model.module.parameters():
            if parameter.ndim > 1:
                parameter.view(-1)[::11] *= 4.0
    block = whole(model, sample, AqRecipe(algorithms=(name,), **grid))
    block.targets = [block.run(0)]
    rounder = _made(ROUNDERS, name, iterations)
    return block, rounder, dict(rounder.round(block, list(block.layers)))


def _plain(block):
    return {key: round_to_nearest(layer) for key, layer in block.layers.items()}


@pytest.mark.parametrize("algorithms", _COMPOSED, ids="+".join)
def test_algorithms_compose(algorithms):
    for net in ("llama", "cnn"):
        model, sample = make(net)
        before = outputs(model, sample)
        result = aq.quantize(model, sample, AqRecipe(algorithms=algorithms, options=_options(algorithms), bits=8))
        assert relative(outputs(model, sample), before) < 0.05
        assert set(result.transforms) == {name for name in algorithms if name in _TRANSFORMS}
        for item in result.transforms.values():
            assert {*item.layers, *(left.module for left in item.skipped)} == result.formats.keys()


@pytest.mark.parametrize("algorithms", _RUNS, ids="+".join)
def test_neither_workers_nor_the_order_of_samples_change_a_bit(algorithms, monkeypatch):
    found = []
    for count, order in (("1", 1), ("2", 1), ("2", -1)):
        monkeypatch.setenv(VARIABLE, count)
        model, sample = make("llama")
        turned = Sample({key: np.ascontiguousarray(value[::order]) for key, value in sample.inputs.items()})
        recipe = AqRecipe(algorithms=algorithms, options=_options(algorithms), bits=3, group=8, clip=True)
        aq.quantize(model, turned, recipe)
        found.append({key: value.numpy().tobytes() for key, value in model.module.state_dict().items()})
    assert found[0] == found[1]
    assert found[0] == found[2]

import pytest
import torch

from edgewright import aq
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.rounders.autoround import Algorithm, Options, _paces
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.parallel import VARIABLE
from tests.aq.nets import make, whole


def _block(net, **recipe):
    model, sample = make(net)
    block = whole(model, sample, AqRecipe(algorithms=("autoround",), **recipe))
    block.targets = [block.run(0)]
    return block


def _errors(block, **options):
    """The objective of what was trained, over that of rounding to nearest."""
    rounder = Algorithm(Options(**options))
    trained = dict(rounder.round(block, list(block.layers)))
    plain = {name: round_to_nearest(layer) for name, layer in block.layers.items()}
    return rounder.objective(block, trained), rounder.objective(block, plain), trained, plain


@pytest.mark.parametrize("optimizer", ["adam", "sign"])
@pytest.mark.parametrize(
    ("net", "recipe"),
    [
        ("llama", {"bits": 3, "group": 8, "symmetric": False}),
        ("mlp", {"bits": 3, "group": 3, "symmetric": True}),
        ("cnn", {"bits": 3, "symmetric": True}),
        ("llama", {"format": "mxfp4"}),
    ],
)
@torch.no_grad()
def test_training_lowers_the_error_of_the_block(net, recipe, optimizer):
    trained, plain, _, _ = _errors(_block(net, **recipe), iterations=40, optimizer=optimizer)
    assert trained < 0.8 * plain


@torch.no_grad()
def test_planted_outlier_channels_are_no_hindrance():
    left = {}
    for precondition in (True, False):
        model, sample = make("mlp")
        (name, array), channels = next(iter(sample.inputs.items())), [3, 7]
        array[:, channels] *= 32.0
        model.module[0].weight.data[:, channels] /= 32.0
        block = whole(model, Sample({name: array}), AqRecipe(algorithms=("autoround",), bits=3, symmetric=False))
        block.targets = [block.run(0)]
        trained, plain, _, _ = _errors(block, iterations=100, precondition=precondition)
        left[precondition] = trained / plain
    assert left[True] < 0.6
    assert left[True] < 0.7 * left[False]


@torch.no_grad()
def test_columns_without_inputs_hinder_no_other():
    squares = torch.tensor([[0.0, 4.0, 1.0, 16.0], [0.0, 0.0, 0.0, 4.0]])
    assert _paces(squares).tolist() == [[8.0, 1.0, 2.0, 0.5], [8.0, 8.0, 8.0, 1.0]]
    assert _paces(torch.zeros(1, 3)).tolist() == [[1.0, 1.0, 1.0]]


@torch.no_grad()
def test_rounding_to_nearest_stays_where_training_fails():
    block = _block("llama", bits=8)
    trained, plain, found, expected = _errors(block, iterations=2, rate=1e4, clip_rate=1e4)
    assert trained == plain
    assert all(torch.equal(found[name].integers, expected[name].integers) for name in expected)


@torch.no_grad()
def test_progress_is_told_step_by_step():
    block, told = _block("mlp", bits=4), []
    block.advance = lambda share, what: told.append((share, what))
    dict(Algorithm(Options(iterations=4)).round(block, list(block.layers)))
    assert [share for share, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[0][1] == "iteration 1 of 4"


def test_the_number_of_workers_decides_no_bit_and_the_seed_does(monkeypatch):
    def state(workers, seed):
        monkeypatch.setenv(VARIABLE, workers)
        model, sample = make("llama")
        options = {"autoround": {"iterations": 6, "seed": seed}}
        recipe = AqRecipe(algorithms=("autoround",), bits=3, group=8, symmetric=False, options=options)
        return aq.quantize(model, sample, recipe).module.state_dict()

    one, three, other = state("1", 0), state("3", 0), state("3", 1)
    assert all(torch.equal(one[key], three[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_the_rates_of_the_paper_reach_the_bound_of_the_offsets():
    rates = list(Options(optimizer="sign", decay=1, iterations=200).rates())
    assert rates[0] == (1 / 200, 1 / 200)
    assert rates[100] == (0.5 / 200, 0.5 / 200)
    assert sum(rate for rate, _ in rates) == pytest.approx(0.5, rel=0.01)
    assert max(next(Options(iterations=1).rates())) <= 0.04


def test_the_last_step_is_always_looked_at():
    assert Options(iterations=7, checks=1).checked() == {7}
    assert Options(iterations=8, checks=2).checked() == {8, 6}
    assert 1 in Options(iterations=1, checks=5).checked()


def test_no_layers_are_no_work():
    block = _block("mlp", bits=4)
    assert not list(Algorithm(Options()).round(block, []))

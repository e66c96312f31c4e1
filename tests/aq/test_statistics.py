import pytest
import torch
from torch import nn

from edgewright.aq.statistics import INPUTS, Statistic, collect
from edgewright.errors import InputError
from edgewright.parallel import VARIABLE
from tests.aq.nets import make, outputs

_ALL = frozenset(Statistic)


@pytest.mark.parametrize("name", ["cnn", "mlp"])
@torch.no_grad()
def test_the_hessian_gives_the_output_error(name):
    model, sample = make(name)
    model.module.double()
    layers = {path: item for path, item in model.module.named_modules() if isinstance(item, (nn.Linear, nn.Conv2d))}
    results = collect(layers, [], _ALL, lambda _: outputs(model, sample), 1)
    generator = torch.Generator().manual_seed(1)
    for path, module in layers.items():
        seen = []
        method = "_conv_forward" if isinstance(module, nn.Conv2d) else "forward"
        own = getattr(module, method)
        setattr(module, method, lambda x, *rest, own=own, seen=seen: (seen.append((x, *rest)), own(x, *rest))[1])
        outputs(model, sample)
        delattr(module, method)
        difference = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
        before = getattr(module, method)(*seen[0])
        rest = (module.weight + difference, module.bias) if method == "_conv_forward" else ()
        kept = module.weight.data
        module.weight.data = kept + difference
        error = (getattr(module, method)(seen[0][0], *rest) - before).square().mean()
        module.weight.data = kept
        assert float(results[path].output_error(difference.flatten(1))) == pytest.approx(float(error), rel=1e-9)
        stacked = torch.stack((difference.flatten(1), 2 * difference.flatten(1)))
        assert results[path].output_error(stacked)[1].item() == pytest.approx(4 * float(error), rel=1e-9)


def test_magnitudes():
    layer = nn.Linear(2, 1)
    run = {"layer": layer}
    rows = [torch.tensor([[1.0, -2.0], [3.0, 0.0]]), torch.tensor([[-5.0, 1.0]])]
    result = collect(run, [], _ALL, lambda index: layer(rows[index]), len(rows))["layer"]
    assert result.tokens == 3
    assert result.mean_magnitude.tolist() == [3.0, 1.0]


@torch.no_grad()
def test_mean_squares_are_the_diagonal_of_the_hessian():
    for name in ("cnn", "mlp"):
        model, sample = make(name)
        layers = {path: item for path, item in model.module.named_modules() if isinstance(item, (nn.Linear, nn.Conv2d))}
        found, full = (
            collect(layers, [], frozenset({wanted}), lambda _, model=model, sample=sample: outputs(model, sample), 1)
            for wanted in (Statistic.MEAN_SQUARE, Statistic.HESSIAN)
        )
        for path in layers:
            expected = full[path].hessian.diagonal(dim1=-2, dim2=-1)
            torch.testing.assert_close(found[path].mean_square, expected)
            torch.testing.assert_close(full[path].mean_square, expected, rtol=0, atol=0)


def test_only_what_is_asked_for():
    layer = nn.Linear(2, 1)
    result = collect({"layer": layer}, [], frozenset(), lambda _: layer(torch.ones(4, 2)), 1)["layer"]
    assert (result.tokens, result.mean_magnitude) == (4, None)


def test_shared_inputs_are_counted_once():
    one, two = nn.Linear(2, 1), nn.Linear(2, 3)
    x = torch.ones(1, 2)
    results = collect({"one": one, "two": two}, [("one", "two")], _ALL, lambda _: one(x) + two(x), 1)
    assert results["one"] is results["two"]


def test_a_layer_without_tokens_is_refused_by_name():
    with pytest.raises(InputError, match="idle: no token of the calibration sample"):
        collect({"idle": nn.Linear(2, 2)}, [], _ALL, lambda _: torch.zeros(()), 1)


def test_inputs_that_are_not_finite_are_refused_by_name():
    layer = nn.Linear(2, 2)
    with pytest.raises(InputError, match="layer: its input holds NaN or infinite values"):
        collect({"layer": layer}, [], _ALL, lambda _: layer(torch.tensor([[1.0, torch.inf]])), 1)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@torch.no_grad()
def test_without_a_hessian_the_error_is_that_of_the_inputs_kept(name):
    model, sample = make(name)
    layers = {key: item for key, item in model.module.named_modules() if isinstance(item, (nn.Linear, nn.Conv2d))}
    run = [collect(layers, [], wanted, lambda _: outputs(model, sample), 1) for wanted in (_ALL, frozenset())]
    for key, layer in layers.items():
        difference = layer.weight.flatten(1)
        full, kept = (float(found[key].output_error(difference)) for found in run)
        assert kept == pytest.approx(full, rel=1e-4 if run[1][key].tokens <= INPUTS else 0.2)


@torch.no_grad()
def test_few_inputs_are_kept_of_many():
    layer = nn.Linear(3, 2)
    result = collect({"layer": layer}, [], frozenset(), lambda _: layer(torch.randn(5000, 3)), 4)["layer"]
    assert result.tokens == 20000
    assert result.inputs.shape[1] <= INPUTS


@torch.no_grad()
def test_a_wide_hessian_is_whole_and_bits_do_not_depend_on_the_workers(monkeypatch):
    layer, found = nn.Linear(1100, 1), []
    data = torch.randn(5, 40, 1100, generator=torch.Generator().manual_seed(0))
    for count in ("1", "3"):
        monkeypatch.setenv(VARIABLE, count)
        found.append(collect({"layer": layer}, [], _ALL, lambda index: layer(data[index]), len(data))["layer"].hessian)
    vectors = data.flatten(0, 1)
    torch.testing.assert_close(found[0][0], vectors.T @ vectors / len(vectors), atol=1e-4, rtol=1e-4)
    assert torch.equal(found[0], found[0].mT)
    assert torch.equal(*found)


@torch.no_grad()
def test_what_comes_behind_the_last_layer_does_not_run_unless_it_is_wanted():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    ran, kept = [], []

    def run(index):
        output = two(one(torch.ones(3, 2)))
        ran.append(index)
        return output

    modules = {"one": one, "two": two}
    results = collect(modules, [], _ALL, run, 2, is_traced=True)
    assert [item.tokens for item in results.values()] == [6, 6]
    assert ran == []
    for options in ({"keep": kept.append, "is_traced": True}, {"repeated": {"one"}, "is_traced": True}, {}):
        collect(modules, [], _ALL, run, 2, **options)
    assert sorted(ran) == [0, 0, 0, 1, 1, 1]
    assert len(kept) == 2


@torch.no_grad()
def test_a_batch_with_another_order_of_calls_loses_no_layer():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    x = torch.ones(3, 2)
    ran = []

    def run(index):
        first, second = (one, two) if index == 0 else (two, one)
        output = second(first(x))
        ran.append(index)
        return output

    results = collect({"one": one, "two": two}, [], _ALL, run, 2, is_traced=True)
    assert [item.tokens for item in results.values()] == [6, 6]
    expected = collect({"one": one, "two": two}, [], _ALL, run, 2)
    assert all(torch.equal(results[name].hessian, expected[name].hessian) for name in results)
    assert sorted(ran) == [0, 1]


@torch.no_grad()
def test_a_batch_that_leaves_a_layer_out_runs_to_its_end():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    x = torch.ones(3, 2)
    results = collect({"one": one, "two": two}, [], _ALL, lambda index: two(x if index else one(x)), 2, is_traced=True)
    assert [item.tokens for item in results.values()] == [3, 6]

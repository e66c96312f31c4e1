import numpy as np
import pytest
import torch
from torch import nn

from edgewright import ir, registry, targets
from edgewright.datasets import Sample
from edgewright.errors import InputError
from edgewright.gq import calibration
from edgewright.gq.annotate import annotate, names_of
from edgewright.gq.collect import observe, rows
from edgewright.gq.groups import solve
from edgewright.gq.names import name_tensors
from edgewright.gq.scheme import Resolved
from edgewright.parallel import VARIABLE
from tests.gq.nets import noise, program_of, sample_of, scheme, small

METHODS = registry.names(calibration.PACKAGE)


def observed(array, method="histogram", averaged=(), program=None):
    module = ir.unlift(program or small())
    names = name_tensors(module)
    found = annotate(module, targets.load("xnnpack"), Resolved(scheme(), names_of(module).values()))
    groups = solve(found, names)
    nodes = [node for node in module.graph.nodes if node.name in averaged]
    steps = []
    one = {group.name: calibration.load(method, {}, "").observer() for group in groups}
    watched = {group.sources[0]: [one[group.name]] for group in groups}
    with torch.no_grad():
        means = observe(
            module, watched, names, sample_of(array), lambda done, total, scope: steps.append((done, total)), nodes
        )
    return {group.name: one[group.name].range(group.grid) for group in groups}, means, steps


@pytest.mark.parametrize("method", METHODS)
def test_neither_the_order_of_the_sample_nor_threads_matter(method, monkeypatch):
    array = noise(20)
    monkeypatch.setenv(VARIABLE, "1")
    alone = observed(array, method)[0]
    for workers in ("2", "5"):
        monkeypatch.setenv(VARIABLE, workers)
        assert observed(array[::-1].copy(), method)[0] == alone


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [2, 5, 8])
def test_the_batch_size_of_the_program_does_not_matter(method, batch):
    class Net(nn.Module):
        def forward(self, x):
            return torch.relu(x)

    array = noise(20)
    # Nothing is summed here: the values of a batch are those of its samples to the last bit.
    single, batched = (
        observed(array, method, program=program)[0]
        for program in (program_of(Net(), 3, 8, 8), ir.specialize(program_of(Net(), 3, 8, 8), batch))
    )
    assert single == batched


def test_means_do_not_depend_on_threads(monkeypatch):
    array = noise(20)
    found = []
    for workers in ("1", "4"):
        monkeypatch.setenv(VARIABLE, workers)
        found.append(next(iter(observed(array, averaged=("relu",))[1].values())))
    assert torch.equal(*found)


def test_ranges_and_means_are_those_of_the_data():
    array = noise(20)
    ranges, means, steps = observed(array, "minmax", averaged=("x",))
    assert ranges["input:x"] == (float(array.min()), float(array.max()))
    (mean,) = means.values()
    np.testing.assert_allclose(mean.numpy(), array.astype(np.float64).mean(0, keepdims=True), atol=1e-12)
    assert steps[-1] == (20, 20)


def test_a_tensor_without_elements_has_the_range_of_nothing():
    class Net(nn.Module):
        def forward(self, x):
            return torch.relu(x[:, :0]), torch.relu(x)

    for method in METHODS:
        ranges = observed(noise(4), method, program=program_of(Net(), 3, 8, 8))[0]
        assert (ranges[":relu"], ranges[":relu#2"][0]) == ((0.0, 0.0), 0.0)
        assert ranges[":relu#2"][1] > 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_activation_that_is_not_finite_is_named_with_its_row(value):
    array = noise(5)
    array[3, 0, 0, 0] = value
    with pytest.raises(InputError, match="'input:x' is NaN or infinite on row 3"):
        observed(array)


def test_a_sample_that_does_not_fit_is_refused():
    module = ir.unlift(small())
    with pytest.raises(InputError, match="takes 1 inputs, the sample has 2"):
        list(rows(module, Sample({"x": noise(2), "y": noise(2)})))
    assert list(rows(module, sample_of(noise(2), "named_otherwise")))
    with pytest.raises(InputError, match=r"is \[3, 4, 4\] float32"):
        list(rows(module, sample_of(noise(2, 3, 4, 4))))
    with pytest.raises(InputError, match="empty"):
        list(rows(module, sample_of(noise(2)[:0])))


def test_a_fixed_batch_is_filled_up():
    module = ir.unlift(ir.specialize(small(), 4))
    batches = [row[0] for row in rows(module, sample_of(noise(6)))]
    assert [len(batch) for batch in batches] == [4, 4]
    assert torch.equal(batches[1][1], batches[1][3])


def test_what_fills_up_a_fixed_batch_does_not_count():
    array = noise(6)
    _, means, steps = observed(array, "minmax", averaged=("x",), program=ir.specialize(small(), 4))
    (mean,) = means.values()
    np.testing.assert_allclose(mean.numpy(), array.astype(np.float64).mean(0, keepdims=True), atol=1e-12)
    assert steps == [(4, 6), (6, 6)]


def test_a_fixed_batch_names_its_rows():
    array = noise(6)
    array[5, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="'input:x' is NaN or infinite on row 5 of the sample"):
        observed(array, program=ir.specialize(small(), 4))


def test_the_mean_of_a_tensor_whose_rows_hold_tokens_is_over_all_of_them():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 4)

        def forward(self, x):
            return self.fc(x.reshape(-1, 8))

    array = noise(6, 5, 8)
    _, means, _ = observed(array, "minmax", averaged=("reshape",), program=program_of(Net(), 5, 8))
    (mean,) = means.values()
    np.testing.assert_allclose(mean.numpy()[0], array.reshape(-1, 8).astype(np.float64).mean(0), atol=1e-12)

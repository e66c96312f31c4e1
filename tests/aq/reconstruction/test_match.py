import pytest
import torch

from edgewright.aq.failure import LayerError
from edgewright.aq.reconstruction.match import Match
from edgewright.config import AqRecipe
from edgewright.parallel import VARIABLE
from tests.aq.nets import make, whole


def _match(net, piece=8):
    model, sample = make(net)
    block = whole(model, sample, AqRecipe(bits=4))
    match = Match(block, list(block.layers), [block.run(0)], piece)
    for weight in match.weights.values():
        weight.data.mul_(1.1)
    return model, block, match


@pytest.mark.parametrize("net", ["cnn", "mlp"])
@torch.no_grad()
def test_gradients_are_those_of_the_error(net):
    _, _, match = _match(net)
    count = match.sizes[0]
    found = match.gradients([(0, torch.arange(0, 7)), (0, torch.arange(7, count))])
    name, weight = next(iter(match.weights.items()))
    direction = found[name] / found[name].norm()
    step, errors = 1e-3, []
    for sign in (1, -1):
        weight.data.add_(direction, alpha=sign * step)
        errors.append(match.error())
        weight.data.add_(direction, alpha=-sign * step)
    slope = (errors[0] - errors[1]) / (2 * step) * match._elements
    assert slope == pytest.approx(float(found[name].norm()), rel=0.05)


@torch.no_grad()
def test_the_number_of_workers_decides_no_bit(monkeypatch):
    _, _, match = _match("mlp")
    pieces = [(0, torch.tensor([row])) for row in range(8)]
    results = []
    for workers in ("1", "3"):
        monkeypatch.setenv(VARIABLE, workers)
        results.append((match.error(), match.gradients(pieces)))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(results[0][1][name], results[1][1][name]) for name in match.layers)


@torch.no_grad()
def test_the_model_has_the_trial_weights_only_inside_and_then_its_own():
    model, block, match = _match("llama")
    own = dict(model.module.named_parameters())
    before = {name: parameter.clone() for name, parameter in own.items()}
    with match.trial():
        assert all(block.layers[name].module.weight is match.weights[name] for name in block.layers)
    match.gradients([(0, torch.arange(3))])
    after = dict(model.module.named_parameters())
    assert all(after[name] is own[name] and torch.equal(after[name], before[name]) for name in own)
    assert not any(parameter.requires_grad for parameter in after.values())


@torch.no_grad()
def test_the_first_layer_whose_output_is_not_finite_is_named():
    _, block, match = _match("mlp")
    name = list(block.layers)[1]
    match.weights[name].data[0, 0] = torch.nan
    with pytest.raises(LayerError, match="NaN or infinite") as caught:
        match.error()
    assert caught.value.layer == name
    with pytest.raises(LayerError):
        match.gradients([(0, torch.arange(3))])

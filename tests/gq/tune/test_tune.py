"""The decision flow on small networks with a fault of a known kind."""

import json

import pytest
import torch
from torch import nn

from edgewright import targets
from edgewright.config.schemes import GqScheme
from edgewright.config.search import SearchBudget
from edgewright.errors import BudgetError, ConfigError
from edgewright.gq.tune.step import Cause
from edgewright.gq.tune.tune import tune
from tests.gq.nets import noise, program_of, sample_of, scheme, small


class Chain(nn.Module):
    """Convolutions whose first has one channel 1,000 times as large, which the second takes back."""

    def __init__(self, activation=torch.relu):
        super().__init__()
        self.activation = activation
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)
        with torch.no_grad():
            self.first.weight[2] *= 1000
            self.first.bias[2] *= 1000
            self.second.weight[:, 2] /= 1000

    def forward(self, x):
        y = self.activation(self.first(x))
        return self.head(torch.relu(self.second(y)).mean((2, 3), keepdim=True).flatten(1))


def tuned(program, target="xnnpack", snr=30.0, values=None):
    return tune(program, targets.load(target), values or scheme(), SearchBudget(snr_db=snr),
                sample_of(noise(96)), sample_of(noise(32, seed=4)))


def planted(activation=torch.relu):
    torch.manual_seed(0)
    return program_of(Chain(activation), 3, 8, 8)


def test_a_scheme_that_holds_is_left_as_it_is():
    found = tuned(small(), snr=15)
    assert [step.name for step in found.steps] == ["as it is"]
    assert found.chosen.reached
    assert found.scheme() == scheme().model_dump(mode="json", exclude_defaults=True)


def test_a_planted_bad_layer_is_seen_in_the_activations_and_cured_by_equalization():
    found = tuned(planted())
    assert not found.steps[0].reached
    assert found.cause.name == "activations"
    assert found.chosen.name == "cross-layer equalization at w8a8"
    assert found.chosen.share == found.steps[0].share
    assert found.chosen.score.snr_db > 30


def gelu_like(x):
    """No scale passes through it, so that equalization cannot cure what lies before it."""
    return x * torch.sigmoid(x)


def test_what_equalization_cannot_cure_gets_a_precision_of_its_own():
    whole = targets.load("xnnpack").model_copy(update={"float16": False})
    found = tune(planted(gelu_like), whole, scheme(), SearchBudget(snr_db=35), sample_of(noise(96)),
                 sample_of(noise(32, seed=4)))
    assert found.chosen.name == "LiteMP of w8a8, float"
    layers = found.chosen.scheme.layers
    assert layers["first"] == "float"
    assert layers["head"] == "w8a8"
    assert found.chosen.share < 1


def test_the_scheme_gives_the_same_program_again_and_the_record_is_json():
    found = tuned(planted())
    again = tuned(planted(), values=GqScheme.model_validate(found.scheme()))
    assert [step.name for step in again.steps] == ["as it is"]
    assert again.steps[0].score == found.chosen.score
    record = found.record()
    assert json.loads(json.dumps(record)) == record
    assert record["steps"][0]["step"] == "as it is"
    assert record["reached"]


def test_equal_inputs_give_an_equal_record(monkeypatch):
    monkeypatch.setenv("EDGEWRIGHT_WORKERS", "1")
    first = tuned(planted(gelu_like), snr=35).record()
    monkeypatch.setenv("EDGEWRIGHT_WORKERS", "2")
    assert tuned(planted(gelu_like), snr=35).record() == first


def test_a_budget_that_nothing_keeps_names_the_best():
    found = tuned(small(), "ethos-u85-256", snr=200)
    assert not found.chosen.reached
    assert {step.name.split(" ")[0] for step in found.steps} >= {"as", "baseline", "LiteMP", "AMP"}
    with pytest.raises(BudgetError, match=r"v: nothing keeps snr_db 200; the best found, .* signal-to-noise ratio of"):
        found.require_reached("v")


def test_a_target_without_any_of_the_precisions_is_refused():
    empty = targets.load("xnnpack").model_copy(update={"operators": {}})
    with pytest.raises(ConfigError, match="target xnnpack"):
        tune(small(), empty, scheme(), SearchBudget(snr_db=10), sample_of(noise()), sample_of(noise()))


@pytest.mark.parametrize(("weights", "activations", "name"), [
    (1.0, 0.1, "weights"), (0.1, 1.0, "activations"), (1.0, 0.5, "both"), (0.0, 0.0, "both"),
])
def test_a_cause_is_one_that_dominates(weights, activations, name):
    assert Cause(weights, activations).name == name

"""Mixed precision on a small network and a target with four precisions."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import gq, ir, targets
from edgewright.errors import BudgetError, ConfigError
from edgewright.gq.search import trials as trials_module
from edgewright.gq.search.candidates import prepare
from edgewright.gq.search.contributions import Contributions
from edgewright.gq.search.trials import Scorer, Trials
from edgewright.targets import Kernel
from tests.gq.nets import noise, program_of, sample_of, scheme

CANDIDATES = ["w4a8", "w8a8", "w8a16", "float"]


class Residual(nn.Module):
    """Two branches, one of them with weights whose rounding to 4 bits is coarse."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = torch.relu(self.stem(x))
        y = torch.relu(self.left(y) + self.right(y)).mean((2, 3))
        return self.head(torch.relu(self.query(y)) * torch.sigmoid(self.key(y)))


@pytest.fixture(scope="module")
def program():
    torch.manual_seed(0)
    net = Residual()
    with torch.no_grad():
        net.left.weight[0] *= 30
    return program_of(net, 3, 8, 8)


@pytest.fixture(scope="module")
def target():
    found = targets.load("onnxruntime")

    def kernel(name, weights, activations, **more):
        kind = {"bits": weights, "granularity": "channel"} if weights else None
        return Kernel.model_validate({
            "name": name, "weights": kind, "activations": {"bits": activations, "mode": "static", **more},
        })

    weighted = (kernel("w4", 4, 8), kernel("w8", 8, 8), kernel("w8a16", 8, 16, symmetric=True))
    plain = (kernel("a8", 0, 8), kernel("a16", 0, 16, symmetric=True))
    operators = {
        name: item.model_copy(update={"quantized": weighted if name in ("conv2d", "linear") else plain})
        for name, item in found.operators.items() if item.quantized
    }
    return found.model_copy(update={"operators": {**found.operators, **operators}})


def searched(program, target, judged=None, **search):
    values = {"candidates": CANDIDATES, "evaluations": 12, "accept": {"snr_db": 30}, **search}
    wanted = scheme(search=values)
    judged = sample_of(noise(24, seed=5)) if judged is None else judged
    return gq.find_precisions(program, target, wanted, sample_of(noise(32)), judged)


def output_error(program, quantized, array):
    with torch.no_grad():
        first, second = (ir.unlift(item)(torch.from_numpy(array)) for item in (program, quantized))
    return float((first - second).square().mean())


def test_a_simulated_program_is_the_quantized_one(program, target):
    plain = {"weights": {"bits": 8, "rounding": "nearest"}, "corrections": []}
    sample, judged = sample_of(noise(32)), noise(24, seed=5)
    candidates = prepare(program, target, scheme(**plain), CANDIDATES, sample, "gq")
    trials = Trials(candidates, Scorer(candidates.module, sample_of(judged), None), 9)
    generator = np.random.default_rng(0)
    for _ in range(3):
        assignment = tuple(int(generator.choice(choices)) for choices in candidates.legal)
        layers = {name: precision for unit, precision in candidates.layers(assignment).items() for name in unit.names}
        quantized = gq.quantize(program, target, scheme(layers=layers, **plain), sample)
        assert trials.score(assignment).mse == pytest.approx(output_error(program, quantized.program, judged), rel=0.02)


def test_the_forecast_ranks_units_as_their_real_errors(program, target):
    candidates = prepare(program, target, scheme(), CANDIDATES, sample_of(noise(32)), "gq")
    scorer = Scorer(candidates.module, sample_of(noise(24, seed=5)), None)
    trials, contributions = Trials(candidates, scorer, 99), Contributions(candidates, scorer.batches)
    floats = tuple(choices[-1] for choices in candidates.legal)
    pairs = []
    for unit, choices in enumerate(candidates.legal):
        for index in choices[:-1]:
            alone = (*floats[:unit], index, *floats[unit + 1 :])
            pairs.append((contributions.mse(alone), trials.score(alone).mse))
    forecast, real = np.log(np.array(pairs)).T
    assert np.corrcoef(forecast, real)[0, 1] > 0.95


def test_what_must_move_together_is_one_unit(program, target):
    candidates = prepare(program, target, scheme(), CANDIDATES, sample_of(noise(4)), "gq")
    names = [set(unit.names) for unit in candidates.units]
    assert {"left", "right", ":add", ":relu#2"} in names
    assert {"query", "key"} in [item - {":relu#3"} for item in names]
    assert {"stem", ":relu"} in names


@pytest.mark.parametrize("method", ["amp", "litemp"])
def test_a_search_keeps_its_budget_at_less_than_the_whole_cost(program, target, method):
    candidates = CANDIDATES if method == "amp" else ["w4a8", "w8a16"]
    found = searched(program, target, method=method, candidates=candidates)
    assert found.reached
    assert found.record["chosen"]["snr_db"] >= 30
    assert found.record["chosen"]["share"] < 1
    assert found.record["evaluations"] <= 12
    quantized = gq.quantize(program, target, found.scheme, sample_of(noise(32)))
    reference = ir.unlift(program)(torch.from_numpy(noise(24, seed=5)))
    error = output_error(program, quantized.program, noise(24, seed=5))
    assert 10 * np.log10(float(reference.square().mean()) / error) > 29


def test_no_random_assignment_beats_a_point_of_the_front(program, target):
    front = searched(program, target, accept={"cost": 0.25}, evaluations=20).record["front"]
    candidates = prepare(program, target, scheme(), CANDIDATES, sample_of(noise(32)), "gq")
    trials = Trials(candidates, Scorer(candidates.module, sample_of(noise(24, seed=5)), None), 40)
    from edgewright.gq.search.costs import Costs

    costs, generator = Costs(candidates, "bytes"), np.random.default_rng(1)
    for _ in range(40):
        assignment = tuple(int(generator.choice(choices)) for choices in candidates.legal)
        cost, mse = costs.of(assignment), trials.score(assignment).mse
        assert not [point for point in front if cost <= point["cost"] and mse < 0.95 * point["mse"]]
    assert len(front) > 5


def test_equal_inputs_give_an_equal_record_for_any_number_of_workers(program, target, monkeypatch):
    monkeypatch.setenv("EDGEWRIGHT_WORKERS", "1")
    first = searched(program, target).record
    monkeypatch.setenv("EDGEWRIGHT_WORKERS", "2")
    assert json.dumps(searched(program, target).record) == json.dumps(first)


def test_a_search_that_was_killed_goes_on_with_the_same_result(program, target, tmp_path, monkeypatch):
    wanted = scheme(search={"candidates": CANDIDATES, "evaluations": 12, "accept": {"snr_db": 30}})
    arguments = (program, target, wanted, sample_of(noise(32)), sample_of(noise(24, seed=5)))
    whole = gq.find_precisions(*arguments)
    made = []
    real = trials_module.Trials._evaluated

    def dies(self, found):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(found)
        return real(self, found)

    monkeypatch.setattr(trials_module.Trials, "_evaluated", dies)
    with pytest.raises(KeyboardInterrupt):
        gq.find_precisions(*arguments, resume=tmp_path)
    again = []
    monkeypatch.setattr(trials_module.Trials, "_evaluated", lambda *given: again.append(given) or real(*given))
    resumed = gq.find_precisions(*arguments, resume=tmp_path)
    assert json.dumps(resumed.record) == json.dumps(whole.record)
    assert len(again) == whole.record["evaluations"] - 5


def test_what_a_person_wrote_stays(program, target):
    wanted = scheme(layers={"stem": "float"}, search={"candidates": CANDIDATES, "accept": {"snr_db": 20}})
    found = gq.find_precisions(program, target, wanted, sample_of(noise(32)), sample_of(noise(8, seed=5)))
    assert "stem" not in found.record["layers"]
    assert found.scheme.layers["stem"] == "float"
    assert list(found.scheme.layers)[-1] == "stem"


def test_a_budget_that_nothing_reaches_names_the_best(program, target):
    found = searched(program, target, candidates=["w4a8"], accept={"snr_db": 60})
    assert not found.reached
    with pytest.raises(BudgetError, match=r"gq.x.search: no mix of w4a8 keeps snr_db 60 .* best found has a signal"):
        found.require_reached("gq.x.search")


def test_a_budget_of_the_metric_is_judged_by_the_task(program, target):
    calls = []

    def judge(logits, references):
        calls.append(len(logits))
        return float(np.concatenate(logits).argmax(1) @ np.zeros(24)) + 0.25

    wanted = scheme(search={"candidates": ["w4a8", "float"], "accept": {"metric_drop": 0.5}})
    found = gq.find_precisions(program, target, wanted, sample_of(noise(32)), sample_of(noise(24, seed=5)), judge=judge)
    assert found.record["chosen"]["metric_drop"] == 0.25
    assert found.record["chosen"]["units"]["float"] == 0
    assert calls


def test_unknown_names_are_refused_before_anything_runs(target):
    from edgewright.gq import validate

    base = {"candidates": ["w8a8", "float"], "accept": {"snr_db": 30}}
    for change, message in [
        ({"method": "ampp"}, "unknown method 'ampp'.*did you mean 'amp'"),
        ({"cost": "byte"}, "unknown cost 'byte'.*did you mean 'bytes'"),
        ({"options": {"exchange": 1}}, "amp has no option 'exchange'.*did you mean 'exchanges'"),
        ({"options": {"exchanges": 2}}, "exchanges: 2 is not from 0"),
        ({"candidates": ["w2a8"]}, "search.candidates: w2a8: target onnxruntime cannot run"),
    ]:
        with pytest.raises(ConfigError, match=message):
            validate.check(target, scheme(search={**base, **change}), "gq.mixed")

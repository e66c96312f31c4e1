"""Sensitivity of each unit: a planted bad layer first, what is known not run again."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from edgewright import targets
from edgewright.gq.search import layer_sensitivity
from edgewright.gq.search.layer_sensitivity import measure
from tests.gq.nets import W8A8, noise, program_of, sample_of, scheme, small
from tests.gq.tune.test_tune import planted


def measured(program, cache=None, values=None, **options):
    return measure(program, targets.load("xnnpack"), values or scheme(), sample_of(noise(96)),
                   sample_of(noise(32, seed=4)), cache=cache, source="program and rows", **options)


def names(found):
    return [row.unit.name for row in found.rows]


class Uneven(nn.Module):
    """A layer with one weight so large that a scale for all of them leaves nothing of the others."""

    def __init__(self):
        super().__init__()
        self.first, self.uneven, self.head = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        with torch.no_grad():
            self.uneven.weight[0, 0] = 60.0

    def forward(self, x):
        return self.head(torch.relu(self.uneven(torch.relu(self.first(x)))))


@pytest.mark.parametrize("mode", ["alone", "all-but-one", "both"])
def test_a_planted_bad_layer_is_first(mode):
    torch.manual_seed(0)
    program = program_of(Uneven(), 8)
    coarse = scheme({"weights": {"bits": 8, "granularity": "tensor"}, "activations": W8A8["activations"]})
    inputs = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    found = measure(program, targets.load("xnnpack"), coarse, sample_of(inputs), sample_of(inputs[:32]), mode=mode)
    worst = found.rows[0]
    assert worst.unit.names[0] == "uneven"
    if mode != "all-but-one":
        assert all(worst.alone.mse > 3 * row.alone.mse for row in found.rows[1:])
    if mode != "alone":
        assert all(worst.all_but_one.mse < row.all_but_one.mse / 3 for row in found.rows[1:])
    assert found.evaluated == 1 + len(found.rows) * (2 if mode == "both" else 1)


def test_a_channel_of_another_size_harms_both_ends_of_its_tensor():
    worst = measured(planted(), mode="alone").rows[:2]
    assert {row.unit.names[0] for row in worst} == {"first", "second"}


def test_what_is_known_is_not_run_again_and_gives_the_same_bytes(tmp_path):
    first = measured(small(), tmp_path)
    second = measured(small(), tmp_path)
    assert first.evaluated == 1 + 2 * len(first.rows)
    assert second.evaluated == 0
    assert json.dumps(first.json_value()) == json.dumps(second.json_value())
    assert json.dumps(measured(small()).json_value()) == json.dumps(first.json_value())


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
    plain = layer_sensitivity.output_of
    calls = []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(layer_sensitivity, "output_of", killed)
    with pytest.raises(KeyboardInterrupt):
        measured(small(), tmp_path)
    monkeypatch.setattr(layer_sensitivity, "output_of", plain)
    known = len(list(tmp_path.glob("*.json")))
    assert known > 0
    found = measured(small(), tmp_path)
    assert found.evaluated == 1 + 2 * len(found.rows) - known
    assert found.json_value() == measured(small()).json_value()


def test_a_change_of_one_layer_runs_only_that_layer_alone(tmp_path):
    measured(small(), tmp_path, mode="alone")
    changed = measured(small(), tmp_path, scheme(layers={"head": {"bits": 8, "granularity": "tensor"}}), mode="alone")
    # The layer, and the whole that it is part of.
    assert changed.evaluated == 2


def test_another_precision_is_measured_without_the_scheme_being_edited():
    four = measured(small(), precision="w8a8")
    assert four.precision == "w8a8"
    assert [row.alone.mse for row in four.rows] == [row.alone.mse for row in measured(small()).rows]


def test_lines_exempt_the_unit():
    worst = measured(planted(), mode="alone").rows[0]
    assert worst.yaml_lines()[0] == f"{worst.unit.names[0]}: float"
    layers = dict.fromkeys(worst.unit.names, "float")
    assert worst.unit.name not in names(measured(planted(), values=scheme(layers=layers), mode="alone"))


def test_parts_add_up_or_do_not():
    found = measured(small(), mode="alone")
    assert found.sum_of_parts == sum(row.alone.mse for row in found.rows)
    assert measured(small(), mode="all-but-one").sum_of_parts is None

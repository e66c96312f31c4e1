"""Costs of the modules of a small network, estimated and measured, and what a search makes of them."""

import numpy as np
import pytest

from edgewright import targets
from edgewright.gq.search.candidates import prepare
from edgewright.gq.search.costs import Costs
from edgewright.gq.search.operator_costs import measure
from edgewright.gq.search.precisions import find_precisions
from edgewright.targets.cost_table import CostTable
from tests.gq.nets import noise, sample_of, scheme, small

INPUT = (np.zeros((1, 3, 8, 8), np.float32),)


def measured(target, precisions, **options):
    return measure(small(), targets.load(target), scheme(), precisions, sample_of(noise(16)), INPUT, host={"name": "x"},
                   **options)


@pytest.fixture(scope="module")
def cycles():
    return measured("ethos-u85-256", ["w8a8", "w8a16"])


def test_cycles_are_the_compilers_and_the_same_each_time(cycles):
    assert (cycles.unit, cycles.host) == ("cycles", None)
    assert {"conv1", "conv2", "head"} <= cycles.precisions["w8a8"].keys()
    assert sum(cycles.precisions["w8a16"].values()) > sum(cycles.precisions["w8a8"].values())
    assert measured("ethos-u85-256", ["w8a8", "w8a16"]) == cycles


def test_milliseconds_are_of_this_machine():
    found = measured("onnxruntime", ["w8a8", "float"], runs=5)
    assert (found.unit, found.host) == ("ms", {"name": "x"})
    assert all(sum(costs.values()) > 0 for costs in found.precisions.values())


def prepared(names):
    return prepare(small(), targets.load("ethos-u85-256"), scheme(), names, sample_of(noise(16)), "gq")


def test_the_costs_of_the_units_add_up_to_those_of_the_build(cycles):
    candidates = prepared(["w8a8", "w8a16"])
    costs = Costs(candidates, "costs/t.json", cycles)
    for index, name in enumerate(["w8a8", "w8a16"]):
        assignment = tuple(index for _ in candidates.units)
        owned = costs.of(assignment) - costs.of(tuple(0 for _ in candidates.units))
        wanted = sum(cycles.precisions[name].values()) - sum(cycles.precisions["w8a8"].values())
        assert owned == pytest.approx(wanted, rel=0.05, abs=1e-9)
    assert costs.share(tuple(1 for _ in candidates.units)) == pytest.approx(1.0)


def test_units_of_one_scope_share_its_cost():
    candidates = prepared(["w8a8"])
    table = CostTable("ethos-u85-256", "cycles", "x", None, {"w8a8": {"": 8.0, "conv1": 3.0, "elsewhere": 1.0}})
    costs = Costs(candidates, "costs/t.json", table)
    assert costs.of(tuple(0 for _ in candidates.units)) == pytest.approx(12.0)


def test_a_search_spends_the_budget_on_what_the_table_says(cycles):
    search = {"candidates": ["w8a8", "w8a16"], "accept": {"cost": 0.99}, "cost": "costs/t.json", "evaluations": 6}
    found = find_precisions(small(), targets.load("ethos-u85-256"), scheme(search=search), sample_of(noise(16)),
                            sample_of(noise(16, seed=3)), measured=cycles)
    assert found.reached
    assert found.record["chosen"]["share"] <= 0.99
    assert found.record["cost"] == "costs/t.json"

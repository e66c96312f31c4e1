"""The benchmark of latency: rows and what is lost; its networks."""

import pytest
import torch

from benchmarks.gq import networks
from benchmarks.gq.latency import judge, row


def test_a_row_has_both_sides_and_their_ratio():
    mine = {"ms": 1.0, "snr_db": 30.0, "delegates": 1, "left": 0, "left_operators": []}
    theirs = {"ms": 2.0, "snr_db": 25.0, "delegates": 2, "left": 3, "left_operators": ["slice"]}
    assert row("net", "cpu", {"ours": mine, "theirs": theirs}) == (
        "| net | cpu | 1.000 | 2.000 | 0.50 | 30.0, 25.0 | 1 (0) | 2 (3: slice) |"
    )
    assert judge("net", "cpu", {"ours": mine, "theirs": theirs}) == []


def test_what_is_slower_or_fails_is_lost():
    assert judge("net", "cpu", {"ours": {"ms": 2.0}, "theirs": {"ms": 1.0}})
    assert judge("net", "npu", {"ours": {"cycles": 101}, "theirs": {"cycles": 100}})
    assert judge("net", "npu", {"ours": {"error": "no"}, "theirs": {"cycles": 100}}) == ["net on npu: no"]
    assert judge("net", "npu", {"ours": {"cycles": 100}, "theirs": {"error": "no"}}) == []


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_network_is_the_same_each_time(name):
    x = torch.ones(2, *networks.NETWORKS[name][1])
    with torch.no_grad():
        first, second = (networks.make(name)(x) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()

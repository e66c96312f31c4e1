"""The benchmark of mixed precision: fronts and what is lost."""

import numpy as np
import pytest

from benchmarks.gq.mixed import Search, front, judge, table
from benchmarks.gq.workers.points import snr

MINE, PEER = Search("ours", "ours_mixed", "a and b", {}), Search("peer", "aimet_mixed", "a and b", {})


def found(evaluations, *points):
    items = [{"bytes": size, "mse": mse, "top1": 90.0, "snr_db": 20.0} for size, mse in points]
    return {"evaluations": evaluations, "seconds": 1.0, "peak_bytes": 1e8, "points": items}


def test_the_front_leaves_out_what_is_larger_and_worse():
    points = found(1, (4, 1.0), (2, 3.0), (3, 3.5), (2, 5.0))["points"]
    assert [(item["bytes"], item["mse"]) for item in front(points)] == [(2, 3.0), (4, 1.0)]


def test_a_front_that_dominates_with_half_the_evaluations_holds():
    assert judge({PEER: found(40, (4, 2.0), (8, 1.0)), MINE: found(20, (4, 1.5), (8, 0.5))}) == []


def test_a_point_below_ours_and_too_many_evaluations_are_lost():
    lost = judge({PEER: found(30, (4, 2.0), (6, 0.4)), MINE: found(20, (4, 1.5), (8, 0.5))})
    assert len(lost) == 2
    assert "1 of 2 points of peer are not dominated" in lost[0]
    assert "20 evaluations, peer has 30" in lost[1]


def test_what_failed_is_in_the_table():
    lines = table("resnet20", {PEER: {"error": "no | kernel"}, MINE: found(20, (4000, 1.5))})
    assert any("failed: no / kernel" in line for line in lines)
    assert any("4: 1.50 (90.00)" in line for line in lines)


def test_the_ratio_of_a_tenth_is_twenty_decibels():
    reference = np.ones((4, 3), dtype=np.float32)
    assert snr(reference * 1.1, reference) == pytest.approx(20, abs=1e-4)
    assert snr(reference, reference) == 200.0

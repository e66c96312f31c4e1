"""The benchmark of graph quantization: cells, claims and tables."""

import math

import pytest

from benchmarks.gq import ours
from benchmarks.gq.cells import Cell, cells
from benchmarks.gq.claims import claims
from benchmarks.gq.table import render

ROW = {
    "top1": 86.5, "mse": 0.3, "mse_after_gain": 0.3, "snr_db": 35.0, "agree": 98.0, "ece": 4.0, "perplexity": 1.5,
    "seconds": 2.0, "cpu_seconds": 2.0, "peak_bytes": 500e6, "more_bytes": 1e6, "load": 0.5,
}  # fmt: skip


TOP1 = {"resnet8": 86.6}


def cell(toolchain, worker, scheme="w8a8"):
    return Cell("resnet8", scheme, toolchain, worker, ())


def test_every_setting_is_one_that_its_worker_knows():
    found = list(cells())
    assert len({item.label for item in found}) == len(found)
    assert {item.worker for item in found} == {"ours", "executorch", "onnxruntime", "nncf", "aimet", "torchao"}
    assert all(dict(item.setting)["scheme"] in ours.SCHEMES for item in found if item.is_ours)


def test_a_claim_is_lost_where_a_peer_is_better():
    mine, peer = cell("ours, xnnpack", "ours"), cell("peer", "nncf")
    held = dict(claims({mine: ROW, peer: {**ROW, "mse": 0.5, "cpu_seconds": 3.0}}, TOP1))
    assert all(held.values())
    assert len(held) == 4
    lost = dict(claims({mine: {**ROW, "top1": 86.4, "mse": 0.7}, peer: {**ROW, "mse": 0.5, "cpu_seconds": 1.0}}, TOP1))
    assert not any(lost.values())
    assert claims({mine: {"error": "no"}, peer: ROW}, TOP1) == []


@pytest.mark.parametrize(("top1", "holds"), [(85.4, False), (85.5, True)])
def test_four_bits_have_a_goal_of_their_own(top1, holds):
    (found,) = claims({cell("ours, gptq", "ours", "w4a8"): {**ROW, "top1": top1}}, TOP1)
    assert found[1] is holds


def test_a_table_puts_the_least_error_first_and_marks_what_is_ours_and_what_failed():
    text = render({
        cell("peer", "nncf"): {**ROW, "mse": 0.5, "load": 4.0},
        cell("ours, xnnpack", "ours"): {**ROW, "snr_db": math.inf},
        cell("broken", "aimet"): {"error": "no kernel | here"},
    }, {"resnet8": {"top1": 86.6}})  # fmt: skip
    lines = [line for line in text.splitlines() if line.startswith("| ") and "top-1" not in line]
    assert [line.split("|")[1].strip() for line in lines] == ["**ours, xnnpack**", "peer", "broken"]
    assert "2.0 busy" in lines[1]
    assert "failed: no kernel / here" in lines[2]

"""The benchmark of weight quantization: its cells, what it concludes from results, and the smallest of its runs."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import aq_resume
from benchmarks.aq import block, cells, claims, environments, memory, runs, summary, table, timing
from benchmarks.aq.cells import Cell, Method
from benchmarks.aq.evaluation import score
from tests.support import ROOT

MODEL = "stories260k"
OURS, THEIRS = Method("ours", "gptq", "gptq"), Method("gptqmodel", "gptq", "gptq")


def cell(method: Method, seed: int = 0, bits: int = 3) -> Cell:
    return Cell(MODEL, bits, 32, False, seed, method)


def result(perplexity: float, seconds: float = 1.0, peak: int = 100, load: float = 0.0) -> dict[str, float]:
    return {"perplexity": perplexity, "seconds": seconds, "cpu_seconds": seconds, "peak_bytes": peak, "loaded_bytes": 1,
            "load": load}


def lost(results: summary.Results) -> list[str]:
    return [claim.text for part in summary.slices(results) for claim in claims.judge(part) if not claim.holds]


def test_every_cell_of_a_grid_is_another():
    for grid in ("smoke", "default", "full"):
        found = cells.cells(grid)
        assert len(found) == len(set(found))
    assert {item.method.package for item in cells.cells("default")} >= {"ours", *environments.PACKAGES}


def test_groups_divide_every_row_of_the_default():
    rows = {"stories260k": (64, 192), "english": (256, 768)}
    for item in cells.cells("full"):
        for columns in rows.get(item.model, ()):
            assert columns % item.group == 0 or columns < item.group == 128


def test_our_methods_are_those_whose_algorithms_there_are():
    assert [method.name for method in cells.ours(["rtn,clip", "awq+rtn", "awq+nothing", "autoround@3"])] == [
        "rtn,clip", "awq+rtn", "autoround@3",
    ]


def test_better_faster_and_smaller_loses_nothing():
    assert lost({cell(OURS): result(6.0, 0.5, 50), cell(THEIRS): result(6.5)}) == []


def test_each_loss_is_told():
    found = lost({cell(OURS): result(7.0, 0.6, 200), cell(THEIRS): result(6.5)})
    assert [text.partition(": ")[2].split(" ")[0] for text in found] == ["best", "gptq:", "gptq:", "gptq:"]
    assert "takes 0.60 of the seconds" in found[2]
    assert "peaks at" in found[3]


def test_seeds_say_how_much_is_noise():
    ours = {cell(OURS, seed): result(value, 0.1, 1) for seed, value in enumerate((6.55, 6.6, 6.65))}
    theirs = {cell(THEIRS, seed): result(value) for seed, value in enumerate((6.4, 6.5, 6.6))}
    assert [text for text in lost({**ours, **theirs}) if "noise" in text] == []
    steady = {key: result(6.5) for key in theirs}
    assert len([text for text in lost({**ours, **steady}) if "noise 0.100" in text]) == 0
    constant = {key: result(6.6, 0.1, 1) for key in ours}
    assert len([text for text in lost({**constant, **steady}) if "noise" in text]) == 1


def test_four_bits_and_what_failed_claim_nothing_of_the_best():
    assert lost({cell(OURS, bits=4): result(6.52, 0.1, 1), cell(THEIRS, bits=4): result(6.5)}) == []
    assert lost({cell(OURS): result(7.0), cell(THEIRS): {"error": "no"}}) == []


def test_times_of_a_busy_machine_are_compared_in_processor_seconds():
    ours, theirs = {**result(1.0, 1.0), "cpu_seconds": 3.0}, result(1.0, 2.0)
    assert timing.compared(ours, theirs) == (0.5, "seconds")
    assert timing.compared({**ours, "load": 5.0}, theirs) == (1.5, "cpu seconds")


def test_the_table_shows_failures_and_busy_timings(tmp_path):
    results = {cell(OURS): result(6.0, load=9.0), cell(replace(THEIRS, name="x")): {"error": "broke"}}
    text = table.render(results, runs.Bench(tmp_path))
    assert "| **ours gptq** | 6.000 | 1.0 busy |" in text
    assert "| gptqmodel x | failed: broke |" in text


def test_a_forecast_grows_with_what_dominates():
    assert block.forecast(1.0, "rtn", block.SIZES[0]) == 16
    assert block.forecast(1.0, "rtn", block.SIZES[1]) == pytest.approx(32 * block.SIZES[1].parameters / 60817408)
    assert block.forecast(1.0, "awq+gptq", block.SIZES[1]) > block.forecast(1.0, "rtn", block.SIZES[1])
    assert block.extrapolated((2, 54.0), (5, 104.0)) == pytest.approx(3354.0)


def test_memory_that_grows_is_found():
    assert memory.growth({4: 100, 8: 104, 32: 101}) == 4
    assert memory.growth({8: 100, 4: 100}) == 0
    assert memory.allowed({4: 40, 32: 320}) == 10


def test_a_run_that_goes_on_quantizes_nothing_twice():
    lines = ["0 model.layers.2", "15 model.layers.2.mlp.up_proj"]
    assert aq_resume.judge(lines, 2) == []
    assert aq_resume.judge(["1 model.layers.1.mlp.up_proj", *lines], 2) == ["quantized block 1 again"]
    assert aq_resume.judge(lines, 3) == ["quantized block 2 again", "did not quantize its block"]


def test_a_worker_that_fails_says_why(tmp_path):
    settings = {"out": str(tmp_path), "threads": 1, "method": "rtn"}
    assert "missing 7 required" in runs.work(Path(sys.executable), "ours", settings, 60)["error"]


@pytest.mark.slow
def test_the_smallest_run_scores_both_sides_alike(tmp_path):
    command = [sys.executable, "-m", "benchmarks.aq", "--grid", "smoke", "--only", " rtn", "--home", str(tmp_path),
               "--threads", "1", "--every", "64"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    kept = [json.loads(path.read_text()) for path in (tmp_path / "cells").glob("*.json")]
    found = {item["cell"]["method"]["package"]: item["perplexity"] for item in kept
             if item.get("cell", {}).get("method", {}).get("name") == "rtn"}
    assert found["ours"] == pytest.approx(found["torchao"], rel=1e-4)


@pytest.mark.parametrize("name", ["resnet8", "resnet20"])
def test_classifiers_are_scored_on_what_they_were_trained_on(name, tmp_path):
    assert score(name, tmp_path, every=25)["top1"] > 80

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import InputError
from edgewright.files import read_json, write_json
from edgewright.report import VariantFiles, collect, collect_variant


def by_name(variants: list[VariantFiles], name: str) -> VariantFiles:
    return next(item for item in variants if item.name == name)


def changed(path: Path | None, **values: Any) -> None:
    assert path is not None
    write_json(path, read_json(path) | values)


def test_an_accepted_variant_has_every_figure(variants: list[VariantFiles]) -> None:
    record = collect_variant(by_name(variants, "resnet8--none--w8a8--xnnpack"))
    assert (record.status, record.reason) == ("ok", None)
    assert (record.metric.name, record.metric.base, record.metric.compiled) == ("top1", 86.6, 86.52)
    assert record.metric.accept == 0.5
    assert (record.size_bytes.base, record.size_bytes.compiled) == (322_000, 96_400)
    assert (record.latency_ms.base, record.latency_ms.compiled, record.latency_ms.estimate) == (0.469, 0.178, False)
    assert (record.memory_bytes.base, record.memory_bytes.compiled) == (31_800_000, 9_400_000)
    assert (record.drift.snr_db, record.drift.logit_mse, record.drift.agreement) == (31.2, 0.641, 98.88)
    assert [row.stage for row in record.stages] == ["float", "aq", "go", "gq", "compile"]
    assert [row.latency_ms for row in record.stages] == [0.469, None, None, None, 0.178]
    assert [row.metric for row in record.stages] == [86.6, 86.6, 86.6, 86.56, 86.52]
    assert record.stages[0].size_bytes == 312_744
    assert all(row.state is None and row.seconds is None for row in record.stages)
    assert record.artifact.sha256 == read_json(by_name(variants, record.name).manifest)["sha256"]


def test_drift_and_operators_are_the_ten_worst(variants: list[VariantFiles]) -> None:
    details = collect_variant(by_name(variants, "resnet8--none--w8a8--xnnpack")).details
    snr = [module.snr_db for module in details.modules]
    assert len(snr) == len(details.operators) == 10
    assert snr == sorted(snr)
    assert details.modules[0].source == "gq"
    times = [operator.time_ms or 0 for operator in details.operators]
    assert times == sorted(times, reverse=True)
    assert details.rewrites is not None
    assert (len(details.rewrites.firings), details.rewrites.refused) == (12, 1)


def test_without_gq_the_modules_are_those_of_aq(variants: list[VariantFiles]) -> None:
    files = replace(by_name(variants, "english-llama--awq-w4--w4a8-dynamic--xnnpack"), sensitivity=None)
    assert {module.source for module in collect_variant(files).details.modules} == {"aq"}


def test_a_simulator_is_compared_with_float_on_its_own_samples(variants: list[VariantFiles]) -> None:
    record = collect_variant(by_name(variants, "resnet8--none--w8a8--ethos-u85-256"))
    assert (record.metric.base, record.metric.compiled) == (86.2, 86.0)
    assert (record.details.samples, record.details.float_samples) == (500, 2500)
    assert record.status == "ok"
    assert record.latency_ms.estimate
    assert record.latency_ms.base is None
    assert record.size_bytes.base == 312_744


def test_a_missed_budget_rejects_with_its_figure(variants: list[VariantFiles]) -> None:
    record = collect_variant(by_name(variants, "resnet8--hqq-w4--w4a8--xnnpack"))
    assert record.status == "rejected"
    assert record.reason is not None
    assert record.reason.startswith("metric_drop: 5.00 points, at most 0.50 points accepted (95 % interval")


@pytest.mark.parametrize(
    ("budget", "limit", "status"),
    [("metric_drop", 0.08, "ok"), ("metric_drop", 0.07, "rejected"), ("size_bytes", 96_400, "ok"),
     ("memory_bytes", 9_399_999, "rejected"), ("latency_ms", 0.178, "ok"), ("sram_bytes", 10**9, "rejected")],
)  # fmt: skip
def test_each_budget_decides(variants: list[VariantFiles], budget: str, limit: float, status: str) -> None:
    files = replace(by_name(variants, "resnet8--none--w8a8--xnnpack"), accept={budget: limit})
    assert collect_variant(files).status == status


def test_better_than_float_is_a_negative_drop(variants: list[VariantFiles]) -> None:
    files = replace(by_name(variants, "resnet8--none--w8a8--xnnpack"), accept={"metric_drop": 0.0})
    changed(files.stages[-1].metrics, metric={"name": "top1", "value": 87.0, "samples": 2500, "reference": 86.6})
    assert collect_variant(files).details.budgets[0].value == pytest.approx(-0.4)
    assert collect_variant(files).status == "ok"


def test_what_is_missing_names_the_stage_that_failed(variants: list[VariantFiles]) -> None:
    files = by_name(variants, "resnet8--none--w8a8--ethos-u55-128")
    assert collect_variant(files).reason == files.failure
    record = collect_variant(replace(files, failure=None))
    assert (record.status, record.metric.compiled, record.size_bytes.compiled) == ("failed", None, None)
    assert record.reason is not None
    assert record.reason.startswith("compile left no manifest.json")
    assert [row.metric for row in record.stages] == [86.6, 86.6, 86.6, None, None]


def test_with_nothing_at_all_there_is_still_a_record(tmp_path: Path, variants: list[VariantFiles]) -> None:
    files = variants[0]
    nowhere = tmp_path / "nowhere"
    lost = replace(
        files, manifest=nowhere, profile=nowhere, float_manifest=nowhere, layers=nowhere, firings=nowhere,
        sensitivity=nowhere, stages=tuple(replace(row, metrics=nowhere) for row in files.stages),
    )  # fmt: skip
    record = collect_variant(lost)
    assert (record.status, record.metric.name) == ("failed", "perplexity")
    assert record.artifact.sha256 is None


def test_a_file_of_another_form_is_named(variants: list[VariantFiles]) -> None:
    files = variants[0]
    files.manifest.write_text("{}")
    with pytest.raises(InputError, match=files.name):
        collect_variant(files)
    files.manifest.write_text("not json")
    with pytest.raises(InputError, match=r"manifest\.json"):
        collect_variant(files)


def test_collect_keeps_the_order(variants: list[VariantFiles]) -> None:
    report = collect(variants[::-1])
    assert [item.name for item in report.variants] == [item.name for item in variants[::-1]]
    assert json.loads(report.model_dump_json())["schema"] == 1

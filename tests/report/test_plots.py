import pytest

from edgewright.report import VariantFiles, collect
from edgewright.report.plots import stages, summary, trade


def test_summary_is_small_and_without_nulls(variants: list[VariantFiles]) -> None:
    found = summary(collect(variants))
    assert found["resnet8--none--w8a8--xnnpack"] == {
        "top1": 86.52, "size_bytes": 96_400, "latency_ms": 0.178, "logit_mse": 0.641,
    }  # fmt: skip
    assert found["resnet8--none--w8a8--ethos-u55-128"] == {}
    assert len(found) == len(variants)


def test_rows_say_how_much_worse_than_float_whatever_the_metric(variants: list[VariantFiles]) -> None:
    rows = {row["row"]: row["worse_percent"] for row in stages(collect(variants))}
    assert rows["english-llama--rtn-w4--w4a8-dynamic--xnnpack 4 compile"] == pytest.approx(
        100 * 4.253 / 44.797, abs=1e-6
    )
    assert rows["resnet8--hqq-w4--w4a8--xnnpack 4 compile"] == pytest.approx(100 * 5.0 / 86.6, abs=1e-6)
    assert rows["resnet8--none--w8a8--ethos-u85-256 4 compile"] == pytest.approx(100 * 0.2 / 86.2, abs=1e-6)
    assert not any(name.startswith("toycar") for name in rows)
    assert "resnet8--none--w8a8--ethos-u55-128 3 gq" not in rows


def test_trades_hold_the_compiled_variants(variants: list[VariantFiles]) -> None:
    report = collect(variants)
    sizes, latencies = trade(report, "size_bytes"), trade(report, "latency_ms")
    assert len(sizes) == len(latencies) == 9
    assert all(row["size_bytes"] > 0 for row in sizes)
    assert {row["status"] for row in latencies} == {"ok", "rejected"}

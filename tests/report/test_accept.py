import pytest

from edgewright.errors import ConfigError
from edgewright.report.accept import check, reason
from edgewright.report.types import IntervalRecord


def test_a_budget_is_met_up_to_its_limit() -> None:
    assert [item.met for item in check({"latency_ms": 2.0}, {"latency_ms": 2.0})] == [True]
    assert [item.met for item in check({"latency_ms": 2.0}, {"latency_ms": 2.01})] == [False]
    assert check({}, {"size_bytes": 1}) == ()


def test_the_reason_has_the_figure_the_limit_and_the_interval() -> None:
    budgets = check({"metric_drop": 0.5, "size_bytes": 1000}, {"metric_drop": 0.75, "size_bytes": 2_500})
    interval = IntervalRecord(difference=-0.75, low=-1.2, high=-0.3, samples=2500)
    text = reason(budgets, interval)
    assert text == (
        "metric_drop: 0.75 points, at most 0.50 points accepted"
        " (95 % interval of the drop 0.30 to 1.20, 2500 samples); size_bytes: 2.50 kB, at most 1.00 kB accepted"
    )
    assert reason(check({"size_bytes": 10}, {"size_bytes": 3}), interval) is None


def test_a_budget_without_a_figure_is_not_met() -> None:
    text = reason(check({"sram_bytes": 10}, {"sram_bytes": None}), None)
    assert text == "sram_bytes: at most 10 B asked, but this target states no figure"


def test_an_unknown_budget_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'latency_ms'"):
        check({"latency": 1.0}, {})

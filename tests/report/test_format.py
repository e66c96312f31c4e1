import pytest

from edgewright.report import format as text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0 B"), (820, "820 B"), (96_400, "96.4 kB"), (7_348_736, "7.35 MB"), (2.5e9, "2.50 GB")],
)
def test_bytes(value: float | None, shown: str) -> None:
    assert text.byte_text(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.031, "31.0 µs"), (0.178, "0.178 ms"), (14.13, "14.1 ms"), (25_000, "25.0 s")]
)
def test_time(value: float, shown: str) -> None:
    assert text.time_text(value) == shown


def test_changes_carry_their_sign() -> None:
    assert text.change_text(46.31, 44.797) == "+1.51"
    assert text.change_text(86.1, 86.6) == "−0.50"
    assert text.change_text(1.0, 1.0) == "±0"
    assert text.change_text(1.0001, 1.0) == "+0.0001"
    assert text.change_text(None, 1.0) == ""


def test_ratios_name_their_direction() -> None:
    assert text.ratio_text(1.0, 3.9, "smaller", "larger") == "3.9× smaller"
    assert text.ratio_text(3.0, 2.0, "faster", "slower") == "1.50× slower"
    assert text.ratio_text(2.0, 2.001, "faster", "slower") == "same"
    assert text.ratio_text(None, 2.0, "faster", "slower") == ""


def test_metrics_and_durations() -> None:
    assert text.metric_text(86.6, "%") == "86.60 %"
    assert text.metric_text(0.00123, "") == "0.00123"
    assert [text.seconds_text(value) for value in (0.44, 125, 1260)] == ["0.4 s", "125 s", "21 min"]
    assert text.budget_text("flash_bytes", 4096) == "4.10 kB"
    assert text.count_text(263_500) == "263,500"

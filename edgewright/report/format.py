"""Figures as text, the same in the terminal and on the page."""

MISSING = "–"
_KILO = 1000.0


def byte_text(value: float | None) -> str:
    """Decimal units: `7.35 MB`, `820 B`."""
    if value is None:
        return MISSING
    amount = float(value)
    for unit in ("B", "kB", "MB"):
        if abs(amount) < _KILO:
            return f"{amount:.0f} B" if unit == "B" else f"{_digits(amount)} {unit}"
        amount /= _KILO
    return f"{_digits(amount)} GB"


def time_text(value: float | None) -> str:
    """Milliseconds with three digits; microseconds below 0.1 ms, seconds from 10 s on."""
    if value is None:
        return MISSING
    if 0 < value < 0.1:
        return f"{_digits(value * _KILO)} µs"
    if value >= 10 * _KILO:
        return f"{_digits(value / _KILO)} s"
    return f"{_digits(value)} ms"


def seconds_text(value: float | None) -> str:
    """Duration of a stage: `0.4 s`, `123 s`, `21 min`."""
    if value is None:
        return MISSING
    if value >= 600:
        return f"{value / 60:.0f} min"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def metric_text(value: float | None, unit: str) -> str:
    """A metric with its unit: two decimals, four digits for small figures without a unit."""
    if value is None:
        return MISSING
    if unit:
        return f"{value:.2f} {unit}"
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def change_text(value: float | None, base: float | None) -> str:
    """Difference to the float figure, signed, with the real minus sign."""
    if value is None or base is None:
        return ""
    change = value - base
    text = f"{abs(change):.2f}" if abs(change) >= 0.005 or change == 0 else f"{abs(change):.2g}"
    if change == 0:
        return "±0"
    return f"{'+' if change > 0 else '−'}{text}"


def ratio_text(value: float | None, base: float | None, better: str, worse: str) -> str:
    """How many times `value` is below `base`: `3.9× smaller`, or `1.2× larger`."""
    if not value or not base:
        return ""
    ratio = base / value
    if round(ratio, 2) == 1:
        return "same"
    word, times = (better, ratio) if ratio > 1 else (worse, 1 / ratio)
    return f"{_ratio(times)}× {word}"


def times_text(value: float | None, base: float | None) -> str:
    """How many times `value` is below `base`: `3.9×`; below `1×` it is above."""
    return f"{_ratio(base / value)}×" if value and base else ""


def budget_text(name: str, value: float) -> str:
    """The figure of a budget with its unit."""
    if name.endswith("_bytes"):
        return byte_text(value)
    if name.endswith("_ms"):
        return time_text(value)
    return f"{value:.2f} points"


def count_text(value: float | None) -> str:
    """A count with thin thousands: `263,500`."""
    return MISSING if value is None else f"{value:,.0f}"


def _digits(value: float) -> str:
    size = abs(value)
    if size < 1:
        return f"{value:.3g}"
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _ratio(times: float) -> str:
    return f"{times:.2f}" if times < 2 else f"{times:.1f}"

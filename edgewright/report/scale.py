"""Axes: from values to positions, and the round numbers to mark."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_LOG_FROM = 4.0
_PADDING = 0.08
_FEWEST, _MOST = 3, 7


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` onto positions from `start` to `end`; logarithmic where `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        """Position of `value`, rounded to a tenth."""
        low, high, at = (math.log10(item) if self.log else item for item in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> tuple[float, ...]:
        """Round values between `low` and `high`, both included, ascending: two to eight of them."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)


def fitted(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale that holds all `values` with some room; logarithmic where they span more than a factor of 4.

    Args:
        values: finite; none at all gives 0 to 1.
        start: position of the low end; `end`: of the high end.
    """
    known = sorted(values)
    if not known:
        return Scale(0.0, 1.0, start, end, log=False)
    low, high = known[0], known[-1]
    if low > 0 and high / low > _LOG_FROM:
        room = (high / low) ** _PADDING
        return Scale(low / room, high * room, start, end, log=True)
    room = (high - low) * _PADDING
    if room <= 1e-6 * max(abs(low), abs(high)):
        room = abs(high) * 0.02 or 1.0
    floor = max(low - room, 0.0) if low >= 0 else low - room
    return Scale(floor, high + room, start, end, log=False)


def _linear_ticks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, 12) for index in range(first, last + 1))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,), (1, 2, 3, 4, 6, 8)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = tuple(tick for tick in ticks if low <= tick <= high)
        if _FEWEST <= len(inside) <= _MOST:
            return inside
    step = math.ceil(len(powers) / _MOST)
    return tuple(tick for power in powers[::step] if low <= (tick := 10.0**power) <= high)

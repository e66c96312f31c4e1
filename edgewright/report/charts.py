"""Geometry of the page's charts; the templates draw it as inline SVG."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgewright.report.labels import apart, spread
from edgewright.report.pareto import front
from edgewright.report.scale import Scale, fitted

WIDTH, HEIGHT = 400, 260
LEFT, RIGHT, TOP, BOTTOM = 50, 370, 16, 222
COLORS = 8
_BADGE_GAP = 17.0
_LABEL_WIDTH = 48.0

Text = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One variant's metric through the stages: SVG points, and its numbered badge at the right."""

    number: int
    color: int
    dimmed: bool
    points: tuple[tuple[float, float, str], ...]
    badge: tuple[float, float]


@dataclass(frozen=True, slots=True)
class LineChart:
    """The metric of all variants of a model through the stages; `base`: the float model's height."""

    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    base: float | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One variant of a scatter, its numbered badge moved aside where others lie; `number` None is the float build."""

    number: int | None
    color: int
    x: float
    y: float
    badge: tuple[float, float]
    title: str
    estimate: bool
    dimmed: bool
    front: bool


@dataclass(frozen=True, slots=True)
class Scatter:
    """Metric against a cost; `fronts`: SVG points of each Pareto front."""

    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    fronts: tuple[str, ...]
    higher: bool


@dataclass(frozen=True, slots=True)
class Series:
    """A variant as the line chart takes it: values by stage, None where a stage has none."""

    number: int
    name: str
    dimmed: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A variant as the scatter takes it. Fronts are drawn within a `group`; None keeps it off every front."""

    number: int | None
    name: str
    cost: float
    metric: float
    group: str | None
    estimate: bool
    dimmed: bool


def line_chart(labels: Sequence[str], series: Sequence[Series], base: float | None, text: Text) -> LineChart | None:
    """The chart of the metric through the stages `labels`; None where no variant has two values."""
    drawn = [item for item in series if sum(value is not None for value in item.values) > 1]
    if not drawn:
        return None
    values = [value for item in drawn for value in item.values if value is not None]
    scale = fitted([*values, *([] if base is None else [base])], BOTTOM, TOP)
    right = RIGHT - 24
    positions = [round(LEFT + 14 + (right - LEFT - 14) * i / (len(labels) - 1), 1) for i in range(len(labels))]
    points = []
    for item in drawn:
        known = [(i, value) for i, value in enumerate(item.values) if value is not None]
        points.append(
            tuple((positions[i], scale(value), f"{item.name}\n{labels[i]}: {text(value)}") for i, value in known)
        )
    heights = spread([line[-1][1] for line in points], _BADGE_GAP, TOP, BOTTOM)
    return LineChart(
        x=tuple(Tick(at, label) for at, label in zip(positions, labels, strict=True)),
        y=tuple(Tick(scale(tick), tick_text(tick)) for tick in scale.ticks()),
        base=None if base is None else scale(base),
        lines=tuple(
            Line(item.number, color(item.number), item.dimmed, line, (RIGHT, height))
            for item, line, height in zip(drawn, points, heights, strict=True)
        ),
    )


def scatter(samples: Sequence[Sample], higher: bool, cost: Text, metric: Text) -> Scatter | None:
    """The chart of metric against cost; `higher`: the metric is better when higher. None without variants."""
    if not any(sample.number is not None for sample in samples):
        return None
    x = fitted([sample.cost for sample in samples], LEFT + 8, RIGHT)
    y = fitted([sample.metric for sample in samples], BOTTOM, TOP)
    sign = -1.0 if higher else 1.0
    on_front: set[int] = set()
    fronts = []
    for group in sorted({sample.group for sample in samples if sample.group is not None}):
        members = [index for index, sample in enumerate(samples) if sample.group == group]
        chosen = [members[i] for i in front([(samples[m].cost, sign * samples[m].metric) for m in members])]
        on_front.update(chosen)
        path = sorted({(x(samples[index].cost), y(samples[index].metric)) for index in chosen})
        fronts.append(_staircase(path))
    spots = [(x(sample.cost), y(sample.metric)) for sample in samples]
    badges = apart(spots, [sample.number is not None for sample in samples])
    dots = tuple(
        Dot(
            number=sample.number,
            color=color(sample.number or 0),
            x=spots[index][0],
            y=spots[index][1],
            badge=badges[index],
            title=f"{sample.name}\n{metric(sample.metric)} at {cost(sample.cost)}"
            + (" (estimate)" if sample.estimate else ""),
            estimate=sample.estimate,
            dimmed=sample.dimmed,
            front=index in on_front,
        )
        for index, sample in enumerate(samples)
    )
    return Scatter(
        x=tuple(Tick(x(tick), _trimmed(cost(tick))) for tick in _roomy(x)),
        y=tuple(Tick(y(tick), tick_text(tick)) for tick in y.ticks()),
        dots=tuple(sorted(dots, key=lambda dot: (dot.front, dot.number or 0))),
        fronts=tuple(path for path in fronts if path),
        higher=higher,
    )


def _staircase(path: list[tuple[float, float]]) -> str:
    """Steps between neighbours: what lies beyond them is dominated."""
    if len(path) < 2:
        return ""
    points = [path[0]]
    for before, after in pairwise(path):
        points += [(after[0], before[1]), after]
    return " ".join(f"{x},{y}" for x, y in points)


def _roomy(x: Scale) -> list[float]:
    """Ticks of a horizontal axis whose labels do not run into each other."""
    kept: list[float] = []
    for tick in x.ticks():
        if not kept or x(tick) - x(kept[-1]) >= _LABEL_WIDTH:
            kept.append(tick)
    return kept


def _trimmed(text: str) -> str:
    return re.sub(r"\.(?= )", "", re.sub(r"(\.\d*?)0+(?= )", r"\1", text))


def tick_text(value: float) -> str:
    """A value of an axis without needless digits."""
    return f"{value:,.10g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"


def color(number: int) -> int:
    """Index of the color of the variant with this number, from 1."""
    return (number - 1) % COLORS

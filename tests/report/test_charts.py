from edgewright.report.charts import BOTTOM, TOP, Sample, Series, line_chart, scatter


def text(value: float) -> str:
    return f"{value:g} u"


def sample(number: int | None, cost: float, metric: float, group: str | None = "measured") -> Sample:
    return Sample(number, f"variant {number}", cost, metric, group, estimate=False, dimmed=False)


def test_lines_skip_missing_stages_and_keep_their_badges_apart() -> None:
    series = [Series(1, "a", False, (1.0, None, 2.0)), Series(2, "b", False, (1.0, 1.5, 2.0)),
              Series(3, "c", True, (None, None, 9.0))]  # fmt: skip
    chart = line_chart(["float", "aq", "compiled"], series, 1.0, text)
    assert chart is not None
    assert [line.number for line in chart.lines] == [1, 2]
    assert [len(line.points) for line in chart.lines] == [2, 3]
    assert abs(chart.lines[0].badge[1] - chart.lines[1].badge[1]) >= 17
    assert chart.lines[0].points[-1][1] == chart.lines[1].points[-1][1]
    assert chart.base is not None
    assert TOP <= chart.base <= BOTTOM


def test_no_line_without_two_values() -> None:
    assert line_chart(["float", "aq"], [Series(1, "a", False, (1.0, None))], 1.0, text) is None


def test_the_front_follows_the_direction_of_the_metric() -> None:
    samples = [sample(None, 9, 9, None), sample(1, 1, 5), sample(2, 2, 7), sample(3, 3, 6), sample(4, 0.5, 4, None)]
    up, down = scatter(samples, True, text, text), scatter(samples, False, text, text)
    assert up is not None
    assert down is not None
    assert {dot.number for dot in up.dots if dot.front} == {1, 2}
    assert {dot.number for dot in down.dots if dot.front} == {1}
    assert len(up.fronts) == 1
    assert down.fronts == ()


def test_each_group_has_its_own_front() -> None:
    chart = scatter([sample(1, 5, 5), sample(2, 1, 1, "estimate")], False, text, text)
    assert chart is not None
    assert all(dot.front for dot in chart.dots)


def test_only_the_float_build_is_no_chart() -> None:
    assert scatter([sample(None, 1, 1, None)], True, text, text) is None

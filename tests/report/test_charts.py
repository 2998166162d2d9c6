"""Charts: where points land on the drawing."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from trainer.report.charts import LARGE, SMALL, Series, finite_points, line_chart, smooth, ticks

LEFT, RIGHT, TOP, BOTTOM = 54.0, 470.0, 14.0, 200.0  # the plot inside the large shape


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


def parsed(*series: Series, shares: bool = False) -> ET.Element:
    return parse(line_chart("a title", list(series), shares=shares))


def points_of(chart: ET.Element, kind: str) -> list[tuple[float, float]]:
    path = next(path for path in chart.iter("path") if path.get("class", "").startswith(kind))
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))]


def labels(chart: ET.Element, axis: str) -> list[str]:
    return [text.text or "" for text in chart.iter("text") if text.get("class") == f"tick {axis}"]


def test_the_corners_of_the_data_are_the_corners_of_the_plot() -> None:
    chart = parsed(Series("loss", [(0, 0), (100, 2)]))
    assert points_of(chart, "line") == [(LEFT, BOTTOM), (RIGHT, TOP)]


def test_a_point_halfway_lands_halfway() -> None:
    chart = parsed(Series("loss", [(0, 0), (50, 1), (100, 2)]))
    assert points_of(chart, "line")[1] == ((LEFT + RIGHT) / 2, (BOTTOM + TOP) / 2)


def test_shares_are_drawn_between_0_and_100_percent_whatever_the_data() -> None:
    chart = parsed(Series("miou", [(100, 0.25)]), shares=True)
    assert points_of(chart, "line") == [(RIGHT, pytest.approx(BOTTOM - 0.25 * (BOTTOM - TOP)))]
    assert labels(chart, "y") == ["0%", "20%", "40%", "60%", "80%", "100%"]


def test_values_below_zero_stay_inside_the_plot() -> None:
    chart = parsed(Series("loss", [(0, -3), (10, 1)]))
    assert all(TOP <= y <= BOTTOM for _, y in points_of(chart, "line"))
    assert labels(chart, "y")[0] == "-3"


def test_raw_points_lie_behind_the_line() -> None:
    chart = parsed(Series("loss", [(0, 1), (10, 1)], dots=[(0, 2), (10, 0)]))
    kinds = [path.get("class", "").split()[0] for path in chart.iter("path")]
    assert kinds[-2:] == ["dots", "line"]
    assert points_of(chart, "dots") == [(LEFT, TOP), (RIGHT, BOTTOM)]


@pytest.mark.parametrize("kind", ["dots", "line"])
def test_very_many_points_are_thinned_and_the_last_is_kept(kind: str) -> None:
    many = [(float(step), step / 5000) for step in range(5001)]
    drawn = points_of(parsed(Series("loss", many, dots=many)), kind)
    assert 500 <= len(drawn) <= 601
    assert drawn[0][0] == LEFT
    assert drawn[-1] == (pytest.approx(RIGHT, abs=70), pytest.approx(TOP, abs=0.1))


def test_a_single_point_is_seen_by_its_mark() -> None:
    chart = parsed(Series("loss", [(10, 1)]))
    circle = next(chart.iter("circle"))
    assert (float(circle.get("cx", 0)), float(circle.get("cy", 0))) == (RIGHT, TOP)


def test_a_chart_without_points_still_has_axes() -> None:
    chart = parsed(Series("loss", []))
    assert labels(chart, "x")
    assert not list(chart.iter("circle"))


def test_a_series_keeps_its_colour_when_one_before_it_is_empty() -> None:
    chart = parsed(Series("a", []), Series("b", [(1, 1)]))
    assert [circle.get("class") for circle in chart.iter("circle")] == ["end s2"]


def test_a_chart_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    chart = parsed(Series("loss", [(1, 1)]))
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == "a title"
    assert chart.findtext("title") == "a title"


def test_a_title_cannot_break_out_of_the_drawing() -> None:
    svg = line_chart('"><script>', [])
    assert "<script>" not in svg
    assert parse(svg).get("aria-label") == '"><script>'


def test_the_small_shape_is_lower_and_has_fewer_numbers() -> None:
    small = parse(line_chart("t", [Series("lr", [(1, 1e-3)])], SMALL))
    assert small.get("viewBox") == f"0 0 480 {SMALL.height:g}"
    assert SMALL.height < LARGE.height
    assert labels(small, "y") == ["0", "0.0005", "0.001"]


def test_tiny_numbers_are_written_short() -> None:
    chart = parsed(Series("lr", [(1, 2e-5)]))
    assert labels(chart, "y")[:2] == ["0", "5e-6"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1)),
        (0, 2.37, (0, 0.5, 1, 1.5, 2, 2.5)),
        (0, 600, (0, 200, 400, 600)),
        (0, 0.0003, (0, 0.0001, 0.0002, 0.0003)),
        (-3, 1, (-3, -2, -1, 0, 1)),
        (0, 10_000, (0, 2000, 4000, 6000, 8000, 10_000)),
        (5, 5, (5, 5.2, 5.4, 5.6, 5.8, 6)),
    ],
)
def test_ticks_are_round_numbers_that_enclose_the_data(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("high", [1e-9, 0.07, 1, 3.3, 47, 99.9, 101, 12345, 7e11])
@pytest.mark.parametrize("most", [2, 5])
def test_ticks_are_few_and_reach_the_data(high: float, most: int) -> None:
    marks = ticks(0, high, most)
    assert marks[0] == 0
    assert marks[-1] >= high * (1 - 1e-9)
    assert 2 <= len(marks) <= most + 1


def test_what_is_not_finite_is_no_point() -> None:
    assert finite_points([(1, 2.0), (2, math.nan), (3, math.inf), (5, 0.0)]) == [(1, 2.0), (5, 0.0)]


def test_smoothing_takes_the_mean_of_neighbours() -> None:
    points = [(float(x), float(x % 2)) for x in range(40)]
    smoothed = smooth(points)  # one neighbour on each side
    assert smoothed[10] == (10.0, pytest.approx(2 / 3))
    assert smoothed[11] == (11.0, pytest.approx(1 / 3))


def test_smoothing_a_long_run_takes_a_bounded_window() -> None:
    points = [(float(x), float(x == 10_000)) for x in range(20_000)]
    assert sum(y > 0 for _, y in smooth(points)) == 201


def test_smoothing_keeps_the_ends_and_a_straight_line() -> None:
    points = [(float(x), 3.0 * x) for x in range(100)]
    assert smooth(points) == [(x, pytest.approx(y)) for x, y in points]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points_are_not_smoothed(count: int) -> None:
    points = [(float(x), float(x * x)) for x in range(count)]
    assert smooth(points) == points

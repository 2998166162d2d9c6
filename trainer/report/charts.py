"""Line charts as inline SVG. Colours and sizes of type come from the page's style sheet, by class and variable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]

_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 10.0, 14.0, 30.0  # margins in drawing units
_WIDTH = 480.0
_MOST_POINTS = 600  # more would only blacken the chart and swell the page
_WIDEST = 100  # points on each side that a moving mean takes in, so that its cost stays linear


@dataclass(frozen=True)
class Shape:
    """Of a chart: its height in drawing units, and about how many numbers stand at its y axis."""

    height: float
    most_ticks: int


LARGE = Shape(height=230, most_ticks=5)
SMALL = Shape(height=120, most_ticks=2)


@dataclass(frozen=True)
class Series:
    """A line of a chart: its points in data units, and behind it the raw points that it smooths."""

    name: str
    points: Sequence[Point]
    dots: Sequence[Point] = ()


@dataclass(frozen=True)
class Axes:
    """Where data lie on the drawing, whose y grows downwards. Each axis spans its ticks."""

    x_ticks: tuple[float, ...]
    y_ticks: tuple[float, ...]
    height: float

    @property
    def right(self) -> float:
        return _WIDTH - _RIGHT

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_ticks[0]) / (self.x_ticks[-1] - self.x_ticks[0]) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.y_ticks[0]) / (self.y_ticks[-1] - self.y_ticks[0]) * (self.bottom - _TOP)


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) from at most `low` to at least `high`, about `most` apart."""
    span = high - low if high > low else 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next((factor * power for factor in (1, 2, 2.5, 5) if span / (factor * power) <= most), 10 * power)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))


def finite_points(points: Iterable[Point]) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def smooth(points: Sequence[Point], share: float = 0.05) -> list[Point]:
    """A centred moving mean over `share` of the points; narrower towards both ends, so that it neither lags nor flattens them."""
    reach = min(round(len(points) * share / 2), _WIDEST)
    smoothed: list[Point] = []
    for place, (x, _) in enumerate(points):
        near = min(reach, place, len(points) - 1 - place)
        window = points[place - near : place + near + 1]
        smoothed.append((x, sum(y for _, y in window) / len(window)))
    return smoothed


def line_chart(title: str, series: Sequence[Series], shape: Shape = LARGE, *, shares: bool = False) -> Markup:
    """A chart of y over optimiser steps, both from zero.

    Args:
        title: what a screen reader says.
        series: those without points are left out.
        shape: height, and how many numbers stand at the y axis.
        shares: y is a share of 1: the axis is written in percent and ends at 100%.
    """
    points = [point for each in series for point in (*each.points, *each.dots)]
    high = 1.0 if shares else max((y for _, y in points), default=0.0)
    low = min((0.0, *(y for _, y in points)))
    axes = Axes(ticks(0.0, max((x for x, _ in points), default=0.0)), ticks(low, high, shape.most_ticks), shape.height)
    drawn = Markup("").join(_line(axes, each, place) for place, each in enumerate(series, start=1) if each.points)
    return Markup(
        '<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{title}"><title>{title}</title>{grid}{drawn}</svg>'
    ).format(width=_WIDTH, height=shape.height, title=title, grid=_grid(axes, shares), drawn=drawn)


def _grid(axes: Axes, shares: bool) -> Markup:
    across = Markup("").join(
        Markup('<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text class="tick y" x="{:.1f}" y="{:.1f}">{}</text>').format(
            _LEFT, axes.y(value), axes.right, _LEFT - 8, axes.y(value), f"{value:.0%}" if shares else _tick(value)
        )
        for value in axes.y_ticks
    )
    along = Markup("").join(
        Markup('<text class="tick x" x="{:.1f}" y="{:.1f}">{}</text>').format(axes.x(value), axes.bottom + 20, _tick(value))
        for value in axes.x_ticks
    )
    return across + along


def _line(axes: Axes, series: Series, place: int) -> Markup:
    """Raw points, the line, and a mark on its end, which alone shows a line of one point."""
    dots = "".join(f"M{axes.x(x):.1f} {axes.y(y):.1f}h0" for x, y in _thinned(series.dots))
    path = "M" + "L".join(f"{axes.x(x):.1f} {axes.y(y):.1f}" for x, y in _thinned(series.points))
    end_x, end_y = series.points[-1]
    return Markup('{}<path class="line s{}" d="{}"/><circle class="end s{}" cx="{:.1f}" cy="{:.1f}" r="3.2"/>').format(
        Markup('<path class="dots s{}" d="{}"/>').format(place, dots) if dots else "", place, path, place, axes.x(end_x), axes.y(end_y)
    )


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Every so many points, and always the last."""
    every = math.ceil(len(points) / _MOST_POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]


def _tick(value: float) -> str:
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.3g}".replace("e-0", "e-")
    return f"{value:,.6g}"

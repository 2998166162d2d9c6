"""The learning curves of a report: what is drawn of a training's history, and what is said beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from trainer.report.charts import SMALL, Point, Series, finite_points, line_chart, smooth
from trainer.report.wording import percent, rounded
from trainer.reports import HistoryRecord

Value = Callable[[HistoryRecord], float | None]


@dataclass(frozen=True)
class Line:
    """An entry of a chart's legend: which colour, which name, and the last value."""

    place: int
    name: str
    last: str


@dataclass(frozen=True)
class Curve:
    """A chart with its caption. `svg` is empty where nothing was recorded; `left_out` counts points that are not finite."""

    title: str
    svg: Markup
    lines: tuple[Line, ...]
    left_out: int = 0


def learning_curves(history: Sequence[HistoryRecord], metrics: Mapping[str, str]) -> tuple[Curve, ...]:
    """Loss, validation scores, learning rate and gradient norm over optimiser steps.

    Args:
        history: in any order; of two records of one step and kind, as a restart leaves them, the later one counts.
        metrics: scores to draw, by their key, with the name that people read.
    """
    records = sorted({(record.step, record.scores is None): record for record in history}.values(), key=lambda record: record.step)
    return (
        _loss(records),
        _scores(records, metrics),
        _small("Learning rate", records, lambda record: record.learning_rate),
        _small("Gradient norm", records, lambda record: record.gradient_norm),
    )


def _loss(records: Sequence[HistoryRecord]) -> Curve:
    dots, left_out = _recorded(records, lambda record: record.loss)
    smoothed = smooth(dots)
    if not dots:
        return Curve("Training loss", Markup(""), (), left_out)
    title = f"Training loss over {dots[-1][0]:,.0f} steps, from {rounded(smoothed[0][1])} to {rounded(smoothed[-1][1])}"
    svg = line_chart(title, [Series("loss", smoothed, dots)])
    return Curve("Training loss", svg, (Line(1, "smoothed", rounded(smoothed[-1][1])),), left_out)


def _scores(records: Sequence[HistoryRecord], metrics: Mapping[str, str]) -> Curve:
    found = [(name, *_recorded(records, lambda record, key=key: (record.scores or {}).get(key))) for key, name in metrics.items()]
    series = [Series(name, points) for name, points, _ in found if points]
    left_out = sum(count for _, _, count in found)
    if not series:
        return Curve("Validation scores", Markup(""), (), left_out)
    lines = tuple(Line(place, each.name, percent(each.points[-1][1])) for place, each in enumerate(series, start=1))
    title = "Validation scores; last: " + ", ".join(f"{line.name} {line.last}" for line in lines)
    return Curve("Validation scores", line_chart(title, series, shares=True), lines, left_out)


def _small(title: str, records: Sequence[HistoryRecord], value: Value) -> Curve:
    points, left_out = _recorded(records, value)
    if not points:
        return Curve(title, Markup(""), (), left_out)
    last = rounded(points[-1][1])
    svg = line_chart(f"{title} over {points[-1][0]:,.0f} steps, last {last}", [Series(title, points)], SMALL)
    return Curve(title, svg, (Line(1, "last", last),), left_out)


def _recorded(records: Sequence[HistoryRecord], value: Value) -> tuple[list[Point], int]:
    """The finite points, and how many were recorded but are not finite."""
    recorded = [(float(record.step), found) for record in records if (found := value(record)) is not None]
    points = finite_points(recorded)
    return points, len(recorded) - len(points)

"""Learning curves: what is taken from the history, and what is said of it."""

from __future__ import annotations

import math

import pytest
from report_documents import history

from trainer.report.curves import Curve, Line, learning_curves
from trainer.reports import HistoryRecord

METRICS = {"miou": "Mean IoU", "pixel_accuracy": "Pixel accuracy"}


def curves_of(records: list[HistoryRecord]) -> dict[str, Curve]:
    return {curve.title: curve for curve in learning_curves(records, METRICS)}


def record(step: int, **values: float) -> HistoryRecord:
    return HistoryRecord(step=step, samples_seen=step, **values)


def test_there_are_four_curves_in_the_order_of_their_weight() -> None:
    assert list(curves_of(history())) == ["Training loss", "Validation scores", "Learning rate", "Gradient norm"]


def test_each_curve_tells_its_last_value() -> None:
    curves = curves_of(history(20))
    assert curves["Training loss"].lines == (Line(1, "smoothed", "0.05"),)
    assert curves["Validation scores"].lines == (Line(1, "Mean IoU", "100.0%"),)
    assert curves["Learning rate"].lines == (Line(1, "last", "0.001"),)


def test_an_empty_history_draws_nothing() -> None:
    assert all(not curve.svg and not curve.lines and curve.left_out == 0 for curve in learning_curves([], METRICS))


def test_a_history_without_scores_still_shows_the_loss() -> None:
    curves = curves_of([record(1, loss=2.0), record(2, loss=1.0)])
    assert curves["Training loss"].svg
    assert not curves["Validation scores"].svg


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_counted_and_not_drawn(broken: float) -> None:
    curve = curves_of([record(1, loss=2.0), record(2, loss=broken), record(3, loss=1.0)])["Training loss"]
    assert curve.left_out == 1
    assert curve.svg
    assert "nan" not in curve.svg
    assert "inf" not in curve.svg


def test_a_loss_that_was_never_finite_leaves_an_empty_curve() -> None:
    curve = curves_of([record(1, loss=math.nan), record(2, loss=math.nan)])["Training loss"]
    assert (curve.svg, curve.left_out) == ("", 2)


def test_of_two_records_of_one_step_the_later_counts() -> None:
    curves = curves_of([record(1, learning_rate=0.5), record(2, learning_rate=0.25), record(2, learning_rate=0.125)])
    assert curves["Learning rate"].lines[0].last == "0.125"


def test_records_may_come_in_any_order() -> None:
    assert learning_curves(history()[::-1], METRICS) == learning_curves(history(), METRICS)


def test_metrics_of_no_name_are_not_drawn() -> None:
    scored = HistoryRecord(step=1, samples_seen=1, scores={"miou": 0.5, "iou_of_class_7": 0.1})
    assert [line.name for line in curves_of([scored])["Validation scores"].lines] == ["Mean IoU"]


def test_the_legend_counts_its_colours_as_the_chart_does() -> None:
    scored = HistoryRecord(step=1, samples_seen=1, scores={"pixel_accuracy": 0.5})
    curve = curves_of([scored])["Validation scores"]
    assert curve.lines == (Line(1, "Pixel accuracy", "50.0%"),)
    assert 'class="end s1"' in curve.svg


def test_a_step_that_was_evaluated_keeps_its_loss() -> None:
    points = [HistoryRecord(step=1, samples_seen=1, loss=2.0), HistoryRecord(step=2, samples_seen=2, loss=1.0)]
    scores = HistoryRecord(step=2, samples_seen=2, scores={"miou": 0.5})

    curves = curves_of([*points, scores])

    assert "Training loss over 2 steps" in curves["Training loss"].svg
    assert curves["Validation scores"].lines == (Line(1, "Mean IoU", "50.0%"),)

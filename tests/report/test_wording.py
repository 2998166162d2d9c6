"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from trainer.report import wording

NAN, INFINITY = math.nan, math.inf


@pytest.mark.parametrize(("value", "text"), [(0.6123, "61.2%"), (0.0, "0.0%"), (1.0, "100.0%"), (None, "—"), (NAN, "—"), (INFINITY, "—")])
def test_a_share_is_a_percentage_or_a_dash(value: float | None, text: str) -> None:
    assert wording.percent(value) == text


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.756, 0, "76"), (0.0, 0, "·"), (0.001, 0, "<1"), (0.0004, 1, "<0.1"), (0.12345, 1, "12.3"), (None, 0, "—"), (NAN, 0, "—")],
)
def test_a_small_share_in_a_table_is_told_from_none(share: float | None, digits: int, text: str) -> None:
    assert wording.cell(share, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.33444, "0.334"), (148.73, "149"), (999.4, "999"), (12_912_971, "12.9M"), (1500, "1.5k"), (0, "0"), (NAN, "—"), (None, "—")],
)
def test_a_number_keeps_three_digits(value: float | None, text: str) -> None:
    assert wording.rounded(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.94, "1.9 s"), (59.99, "60.0 s"), (131.2, "2 min 11 s"), (3599.6, "1 h 0 min"), (7384, "2 h 3 min"), (NAN, "—"), (None, "—")],
)
def test_time_is_told_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert wording.duration(seconds) == text


def test_thousands_stand_apart() -> None:
    assert wording.whole(1234567) == "1,234,567"


def test_a_size_is_width_by_height() -> None:
    assert wording.size((48, 64)) == "64 × 48"


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5000"), (-1.0, "0.0000"), (2.0, "1.0000"), (NAN, "0.0000"), (None, "0.0000")])
def test_a_ratio_for_the_style_sheet_stays_between_0_and_1(value: float | None, text: str) -> None:
    assert wording.ratio(value) == text

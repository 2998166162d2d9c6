"""Contrast of the page's colours in both schemes: WCAG 2.2 AA."""

from __future__ import annotations

import re

import pytest
from report_documents import page


def channels(colour: str) -> list[float]:
    """`#rrggbb` or `r g b` as linear light."""
    values = bytes.fromhex(colour[1:]) if colour.startswith("#") else bytes(int(value) for value in colour.split())
    return [value / 255 / 12.92 if value / 255 <= 0.04045 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in values]


def luminance(colour: str) -> float:
    red, green, blue = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def schemes() -> dict[str, dict[str, str]]:
    """The colours of the two schemes, by variable."""
    light, dark = re.findall(r":root \{(.*?)\}", page(), re.DOTALL)[:2]
    named = {"light": light, "dark": dark}
    return {name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6}|\d+ \d+ \d+);", text)) for name, text in named.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["text", "muted", "accent"])
@pytest.mark.parametrize("paper", ["page", "card", "sunk"])
def test_words_can_be_read_on_what_lies_under_them(scheme: str, ink: str, paper: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[ink], colours[paper]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), [("text", "heat-hit"), ("text", "heat-miss"), ("notice", "notice-card")])
def test_words_can_be_read_on_the_strongest_colour_of_the_page(scheme: str, ink: str, paper: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[ink], colours[paper]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("line", ["s1", "s2", "s3"])
def test_lines_of_a_chart_stand_out_from_the_card(scheme: str, line: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[line], colours["card"]) >= 3


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "255 255 255") == pytest.approx(4.48, abs=0.01)

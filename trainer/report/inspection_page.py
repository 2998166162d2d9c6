"""The page of an inspected data set: like a report's, one HTML file that holds everything, loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from trainer.report.inspected import Inspection
from trainer.report.page import data_uri, environment
from trainer.report.sections import colours


class Example(NamedTuple):
    """A picture of the contact sheet, as a PNG; its class is empty where it has one for each pixel."""

    split: str
    sample: str
    label: str
    png: bytes


def render_inspection(report: Inspection, examples: Sequence[Example]) -> str:
    """The page. The same input gives the same text.

    Args:
        report: what was found.
        examples: the contact sheet, those of a split side by side.
    """
    sheet = [
        (split, [(example, data_uri(example.png)) for example in group])
        for split, group in groupby(examples, key=lambda example: example.split)
    ]
    return (
        environment()
        .get_template("inspection.html.j2")
        .render(
            report=report,
            colours=colours(len(report.classes)),
            sheet=sheet,
            has_masks=any(not example.label for example in examples),
            images=sum(split.images for split in report.splits),
        )
    )

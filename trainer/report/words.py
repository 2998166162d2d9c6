"""The words in which a report speaks of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """One task's.

    Args:
        metrics: names for people, by key, the main one first.
        class_metrics: the same for the figures of one class; the first one draws the bars.
        unit: what confusion and support count, in the plural.
        average: a sentence with one place for the mean of the first class metric.
        panels: what the parts of an example's picture show, from left to right.
        examples: how to read the examples.
        example_score: the figure that ranks them.
    """

    metrics: Mapping[str, str]
    class_metrics: Mapping[str, str]
    unit: str
    average: str
    panels: tuple[str, ...]
    examples: str
    example_score: str

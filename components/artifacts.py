"""What Kubeflow's page of a run shows of an evaluation: numbers, the confusion matrix, the report.

The artifacts are described by what they can do, so that this module does not need kfp.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from trainer.canonical import canonical_json
from trainer.reports import EvaluationReport
from trainer.storage import open_store, split_uri


class Page(Protocol):
    """kfp.dsl.HTML."""

    @property
    def path(self) -> str: ...


class Numbers(Protocol):
    """kfp.dsl.Metrics."""

    @property
    def path(self) -> str: ...

    def log_metric(self, metric: str, value: float) -> None: ...


class Confusion(Protocol):
    """kfp.dsl.ClassificationMetrics."""

    @property
    def path(self) -> str: ...

    def log_confusion_matrix(self, categories: list[str], matrix: list[list[int]]) -> None: ...


def show_evaluation(report: EvaluationReport, metrics: Numbers, confusion: Confusion, page: Page) -> None:
    """Fill the artifacts. Files are written beside the metadata: a missing one would make kfp's local cache miss for ever."""
    for name, value in report.metrics.items():
        metrics.log_metric(name, value)
    Path(metrics.path).write_text(canonical_json(report.metrics), encoding="utf-8")

    categories = [score.name for score in report.classes]
    matrix = [list(row) for row in report.confusion]
    confusion.log_confusion_matrix(categories, matrix)
    Path(confusion.path).write_text(canonical_json({"categories": categories, "matrix": matrix}), encoding="utf-8")

    folder, name = split_uri(report.page)
    Path(page.path).write_bytes(open_store(folder).get(name))

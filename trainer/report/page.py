"""The report's page: one HTML file that holds everything, loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from trainer.errors import DataError
from trainer.report import sections, wording
from trainer.report.curves import learning_curves
from trainer.report.words import Words
from trainer.reports import DatasetManifest, EvaluationReport, HistoryRecord, TrainReport


def render_page(
    report: EvaluationReport,
    training: TrainReport,
    history: Sequence[HistoryRecord],
    manifest: DatasetManifest,
    pictures: Mapping[str, bytes],
    words: Words,
    registered_as: str = "",
) -> str:
    """The page. The same input gives the same text: it holds no time, host or path but those of its documents.

    Args:
        report: what is shown first.
        training: how the evaluated model was made.
        history: the training's learning curves; may be empty.
        manifest: the prepared data set.
        pictures: PNG bytes by `Example.picture`.
        words: the task's.
        registered_as: name and number of the model version, where there is one already.

    Raises:
        DataError: an example's picture is not among `pictures`.
    """
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            training=training,
            manifest=manifest,
            registered_as=registered_as,
            words=words,
            metrics=sections.metrics_of(report, words),
            in_words=sections.in_words(report, words),
            classes=sections.class_rows(report.classes, words),
            confusion=sections.confusion_of(report),
            curves=learning_curves(history, words.metrics),
            examples=[
                (rank, [(example, _data_uri(example.picture, pictures)) for example in group]) for rank, group in sections.ranked(report)
            ],
            splits=sections.split_rows(manifest),
            colours=sections.colours(len(manifest.classes)),
            training_facts=sections.training_facts(report, training),
            provenance=sections.provenance(report, training),
            settings=sections.settings(training),
        )
    )


@cache
def environment() -> Environment:
    """Where the templates are, and what they write numbers with."""
    environment = Environment(
        loader=PackageLoader("trainer.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (wording.percent, wording.cell, wording.whole, wording.rounded, wording.duration, wording.size, wording.ratio)
    environment.filters |= {function.__name__: function for function in filters}
    return environment


def _data_uri(picture: str, pictures: Mapping[str, bytes]) -> str:
    if picture not in pictures:
        raise DataError(f"the evaluation shows the picture {picture!r}, which was not handed to its page; it was given: {sorted(pictures)}")
    return data_uri(pictures[picture])


def data_uri(png: bytes) -> str:
    """A picture as a page holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()

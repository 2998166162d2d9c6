"""What each section of a report's page shows, worked out from the documents of the stages. Numbers, not yet text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from trainer.report.palette import class_palette
from trainer.report.wording import duration, finite, percent, rounded, whole
from trainer.report.words import Words
from trainer.reports import ClassScore, DatasetManifest, EvaluationReport, Example, TrainReport

Facts = tuple[tuple[str, str], ...]  # names with what stands beside them


@dataclass(frozen=True)
class ClassRow:
    """A class of the evaluated split. Figures are shares of 1, in the order of the words; None where the class is absent."""

    name: str
    colour: str
    scores: tuple[float | None, ...]
    share: float | None

    @property
    def main(self) -> float | None:
        return self.scores[0]


@dataclass(frozen=True)
class Cell:
    """Pixels or images of one class that were called another (or the same), and their share of the class."""

    share: float | None
    count: int


@dataclass(frozen=True)
class Confusion:
    """Rows are truth, columns prediction. `worst` names the largest share off the diagonal: truth, prediction, share."""

    rows: tuple[tuple[Cell, ...], ...]
    worst: tuple[str, str, float] | None


@dataclass(frozen=True)
class SplitRow:
    """A split of the data set; `balance` is each class's share of what is labelled."""

    name: str
    samples: int
    shards: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    ignored: float | None
    balance: tuple[float, ...]


def colours(classes: int) -> list[str]:
    """The palette as the style sheet writes it."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in class_palette(classes).tolist()]


def metrics_of(report: EvaluationReport, words: Words) -> list[tuple[str, float | None]]:
    """The task's metrics, main one first, by the name that people read."""
    known = [key for key in words.metrics if key in report.metrics]
    keys = known + sorted(report.metrics.keys() - set(known))
    return [(words.metrics.get(key, key), finite(report.metrics[key])) for key in keys]


def class_rows(classes: Sequence[ClassScore], words: Words) -> tuple[ClassRow, ...]:
    """The classes in their own order."""
    total = sum(row.support for row in classes)
    return tuple(
        ClassRow(row.name, colour, tuple(finite(row.scores[key]) for key in words.class_metrics), _share(row.support, total))
        for row, colour in zip(classes, colours(len(classes)), strict=True)
    )


def ranked(report: EvaluationReport) -> list[tuple[str, list[Example]]]:
    """The examples by what they are among, in the report's order."""
    ranks = dict.fromkeys(example.rank for example in report.examples)
    return [(rank, [example for example in report.examples if example.rank == rank]) for rank in ranks]


def in_words(report: EvaluationReport, words: Words) -> str:
    """What the mean over classes means, and between which classes it lies."""
    scored = [(row.main, row.name) for row in class_rows(report.classes, words) if row.main is not None]
    if not scored:
        return "No class of this split could be scored."
    mean = sum(value for value, _ in scored) / len(scored)
    (low, hardest), (high, easiest) = min(scored, key=itemgetter(0)), max(scored, key=itemgetter(0))
    return (
        f"{words.average.format(percent(mean))} "
        f"Of {len(scored)} classes scored, “{hardest}” is the hardest ({percent(low)}) and “{easiest}” the easiest ({percent(high)})."
    )


def confusion_of(report: EvaluationReport) -> Confusion:
    """The matrix with each row divided by its sum; a class that is absent has no shares."""
    rows = tuple(tuple(Cell(_share(count, sum(row)), count) for count in row) for row in report.confusion)
    names = [score.name for score in report.classes]
    wrong = [
        (names[truth], names[called], cell.share)
        for truth, row in enumerate(rows)
        for called, cell in enumerate(row)
        if truth != called and cell.share
    ]
    return Confusion(rows, max(wrong, key=itemgetter(2), default=None))


def split_rows(manifest: DatasetManifest) -> tuple[SplitRow, ...]:
    rows: list[SplitRow] = []
    for split in manifest.splits:
        labelled = sum(split.class_counts)
        balance = tuple(_share(count, labelled) or 0.0 for count in split.class_counts)
        ignored = _share(split.ignored, labelled + split.ignored)
        rows.append(SplitRow(split.name, split.samples, len(split.shards), split.smallest, split.largest, ignored, balance))
    return tuple(rows)


def training_facts(report: EvaluationReport, training: TrainReport) -> Facts:
    """How it was trained, and how fast both stages were."""
    skipped = (("Steps skipped in fp16", whole(training.skipped_steps)),) if training.skipped_steps else ()
    return (
        ("Optimiser steps", whole(training.steps)),
        *skipped,
        ("Samples seen", whole(training.samples_seen)),
        ("Training speed", f"{rounded(training.images_per_second)} images/s"),
        ("Training time", duration(training.seconds)),
        ("World size", f"{training.world_size} {'rank' if training.world_size == 1 else 'ranks'}"),
        ("Precision", training.precision),
        ("Parameters", rounded(training.parameters)),
        ("Attempts", whole(training.attempts)),
        ("Evaluation speed", f"{rounded(report.images_per_second)} images/s"),
        ("Evaluation time", duration(report.seconds)),
    )


def provenance(report: EvaluationReport, training: TrainReport) -> Facts:
    """What the model was made from. A version of the code stands once where both stages ran the same."""
    codes = {"Code that trained": training.code_version, "Code that evaluated": report.code_version}
    same = training.code_version == report.code_version
    initial = training.initial_weights
    found = (
        ("Model", report.model_digest),
        ("Data", report.data_digest),
        ("Training", report.train_digest),
        ("Starts from", initial.uri if initial else ""),
        ("Initial weights", initial.digest if initial else ""),
        ("Config", report.config_digest),
        ("Train report", report.train_report_digest),
        *((("Code", report.code_version),) if same else codes.items()),
        ("Git commit", training.git_commit),
        ("Checkpoint", report.checkpoint),
        ("Dataset", training.dataset),
    )
    return tuple((name, value) for name, value in found if value)


def settings(training: TrainReport) -> Facts:
    """Every resolved setting that shaped the training, as `section.key` and its value in JSON."""
    sections = sorted(training.sections.items())
    return tuple((f"{name}.{key}", json.dumps(value)) for name, section in sections for key, value in section.items())


def _share(part: int, total: int) -> float | None:
    return part / total if total else None

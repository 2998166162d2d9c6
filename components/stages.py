"""The four stages: parse the config, call the verb, and tell how it went.

One runner for all of them; each stage adds which verb it calls and what it hands on. On a laptop and in a
cluster's pod the same lines run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from components.artifacts import Confusion, Numbers, Page, show_evaluation
from components.records import FRESH, StageRecord, keep
from trainer import environment
from trainer.canonical import short
from trainer.config import RunConfig
from trainer.errors import ExitCode, SightlineError, StoreError
from trainer.recipe import parse_sections
from trainer.reports import DatasetReport, RegistrationReport, train_report_key
from trainer.storage import join, split_uri


class Prepared(NamedTuple):
    dataset: str
    data_digest: str


class Trained(NamedTuple):
    checkpoint: str
    train_report_digest: str


class Evaluated(NamedTuple):
    report: str
    report_digest: str


class Registered(NamedTuple):
    model: str
    version: str


@dataclass(frozen=True)
class Outcome:
    """What a stage found; the fields are those of StageRecord."""

    outputs: dict[str, str]
    documents: tuple[str, ...]
    report: str
    page: str = ""
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    registration: RegistrationReport | None = None
    state: Literal["ran", "refused"] = "ran"
    exit_code: int = 0


def run_prepare(**parameters: str) -> Prepared:
    """Turn a source into shards. Parameters: config, source_digest, out, attempt, code_version."""

    def work(config: RunConfig) -> Outcome:
        from trainer.prepare import prepare

        report = prepare(config, source_digest=parameters["source_digest"], out=parameters["out"])
        _tell_notices(report)
        manifest = join(report.dataset, "manifest.json")
        return Outcome(Prepared(report.dataset, report.data_digest)._asdict(), (manifest,), manifest)

    return Prepared(**run_stage("prepare", parameters, work))


def _tell_notices(report: DatasetReport) -> None:
    from trainer.telemetry.events import emit

    if report.skipped:
        first = report.skipped[0]
        text = f"left out {len(report.skipped)} images, the first: {first.file} {first.reason}; the report lists all"
        emit("notice", stage="prepare", text=text)
    for text in report.notices:
        emit("notice", stage="prepare", text=text)


def run_train(**parameters: str) -> Trained:
    """Train, on whatever the launcher starts. Parameters: config, dataset, data_digest, out, launcher, attempt, code_version."""

    def work(_config: RunConfig) -> Outcome:
        from components.launcher import TrainJob, open_launcher

        attempt, out = parameters["attempt"], parameters["out"]
        fresh = attempt if attempt.startswith(FRESH) else ""
        report = open_launcher(parameters["launcher"]).run(TrainJob(parameters["config"], parameters["dataset"], out, fresh))
        folder = join(out, "training", short(report.train_digest))  # not as it was recorded: OUT may have been moved since
        checkpoint, where = join(folder, "checkpoints", split_uri(report.checkpoint)[1]), join(folder, train_report_key(report.generation))
        outputs = Trained(checkpoint, report.digest)._asdict()
        return Outcome(outputs, (join(checkpoint, "manifest.json"), where), where, metrics=report.scores)

    return Trained(**run_stage("train", parameters, work))


def run_evaluate(metrics: Numbers, confusion: Confusion, page: Page, **parameters: str) -> Evaluated:
    """Score a checkpoint. Parameters: config, checkpoint, dataset, train_report_digest, out, attempt, code_version."""

    def work(config: RunConfig) -> Outcome:
        from trainer.evaluate import evaluate

        inputs = {name: parameters[name] for name in ("checkpoint", "dataset", "train_report_digest", "out")}
        report = evaluate(config, **inputs)
        show_evaluation(report, metrics, confusion, page)
        document = join(split_uri(report.page)[0], "evaluation.json")
        return Outcome(Evaluated(document, report.digest)._asdict(), (document, report.page), document, report.page, report.metrics)

    return Evaluated(**run_stage("evaluate", parameters, work))


def run_register(**parameters: str) -> Registered:
    """Register the model, and move the alias if the gate is passed.

    Parameters: config, checkpoint, report, report_digest, out, attempt, code_version.
    """

    def work(config: RunConfig) -> Outcome:
        from components.registry import register

        inputs = {name: parameters[name] for name in ("checkpoint", "report", "report_digest", "out")}
        registration = register(config, **inputs, run=os.environ.get(environment.RUN, ""))
        refused = registration.state == "refused"
        return Outcome(
            Registered(registration.uri, registration.version)._asdict(),
            documents=(),
            report=registration.uri,
            metrics=registration.metrics,
            registration=registration,
            state="refused" if refused else "ran",
            exit_code=ExitCode.GATE_NOT_PASSED if refused else ExitCode.OK,
        )

    return Registered(**run_stage("register", parameters, work))


def run_stage(stage: str, parameters: Mapping[str, str], work: Callable[[RunConfig], Outcome]) -> dict[str, str]:
    """Do a stage's work, with its record and its events around it; what it raises goes on to kfp, which fails the task."""
    from trainer.lifeline import die_with_named_parent
    from trainer.telemetry.events import emit

    die_with_named_parent()
    begin = time.monotonic()
    started = StageRecord(stage=stage, state="started", parameters=dict(parameters))
    keep(started)
    emit("stage_started", stage=stage)
    try:
        outcome = work(parse_sections(parameters["config"]))
    except Exception as error:
        _tell_failure(started, error, _since(begin))
        raise
    record = started.model_copy(update={**vars(outcome), "seconds": _since(begin)})
    keep(record)
    emit("stage_finished", **record.model_dump(include={"stage", "state", "seconds", "outputs", "report", "metrics"}))
    return outcome.outputs


def _tell_failure(started: StageRecord, error: Exception, seconds: float) -> None:
    """By the record and by an event. Where the disk is full neither may be possible: a note says so, and the error stays the cause."""
    from trainer.telemetry.events import emit

    exit_code, cause = _explain(error)
    told = {"seconds": seconds, "exit_code": exit_code, "cause": cause}
    for tell in (
        lambda: keep(started.model_copy(update={"state": "failed", **told})),
        lambda: emit("stage_failed", stage=started.stage, **told),
    ):
        try:
            tell()
        except (StoreError, OSError) as trouble:
            error.add_note(f"and this could not be kept for the run's record: {trouble}")


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 3)


def _explain(error: Exception) -> tuple[int, str]:
    """The exit code and the cause, on one line. What was not raised on purpose is named by its type."""
    message = " ".join(str(error).split())
    if isinstance(error, SightlineError):
        return int(error.exit_code), message
    return ExitCode.UNCLASSIFIED, f"{type(error).__name__}: {message}"

"""The evaluate verb: score a committed checkpoint on a held-out split, and draw the report."""

from __future__ import annotations

import time
from dataclasses import dataclass

from trainer.canonical import digest_of, sha256_digest, short
from trainer.checkpoint.commit import read_checkpoint
from trainer.checkpoint.documents import MODEL_FILE, SPEC_FILE, Position
from trainer.checkpoint.history import read_history
from trainer.checkpoint.snapshot import restore_model
from trainer.code_version import code_version
from trainer.config import EvaluationConfig, RunConfig
from trainer.data.loader import evaluation_batches
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.data.transforms import open_view
from trainer.errors import CheckpointMismatchError, DataError
from trainer.examples import choose, draw
from trainer.models import ImageModel, build_model
from trainer.optim.precision import Precision
from trainer.report.page import render_page
from trainer.reports import DatasetManifest, EvaluationReport, Example, ModelSpec, TrainReport, train_report_key
from trainer.scoring import Scored, score
from trainer.storage import Store, join, open_store, split_uri
from trainer.tasks import build_task
from trainer.tasks.base import Task
from trainer.world import World, join_world

REPORT, PAGE = "evaluation.json", "report.html"


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a trained model, where it came from, and the images."""

    checkpoint: str
    training: TrainReport
    trained: RunConfig  # the sections that the training read
    spec: ModelSpec
    model: ImageModel
    model_digest: str
    manifest: DatasetManifest
    split: ShardedSplit
    task: Task


def evaluate(config: RunConfig, *, checkpoint: str, dataset: str, out: str, train_report_digest: str = "") -> EvaluationReport:
    """Score a checkpoint and write `evaluations/<digest>/` with evaluation.json, report.html and the pictures; adopts what is there.

    Args:
        checkpoint: URI of a checkpoint's folder, of a run that is complete.
        dataset: URI of a prepared data set.
        train_report_digest: what the run's report must be; empty does not ask.

    Raises:
        CorruptObjectError: the checkpoint is not what was written.
        CheckpointMismatchError: its classes are not those of the data.
        DataError: the run's report is another one.
    """
    with join_world() as world:
        subject = _load(config.evaluation, checkpoint, dataset, train_report_digest, world)
        folder = _folder(config.evaluation, subject, out)
        if adopted := world.decide(lambda: _finished(open_store(folder))):
            return adopted
        began = time.monotonic()
        precision = Precision(subject.training.precision, world.device)
        batches = evaluation_batches(subject.split, subject.trained.data, subject.trained.loader, world)
        scored = score(subject.model, batches, subject.task, world, precision)
        seconds = time.monotonic() - began
        return world.decide(lambda: _write(open_store(folder), subject, config.evaluation, scored, seconds))


def _load(config: EvaluationConfig, checkpoint: str, dataset: str, train_report_digest: str, world: World) -> Subject:
    training_folder, name = split_uri(checkpoint, levels=2)
    position, store = Position.parse(name.rpartition("/")[2]), open_store(training_folder)
    training = _train_report(store, position, train_report_digest)
    files = read_checkpoint(store, position)
    spec = ModelSpec.from_bytes(files[SPEC_FILE], f"{checkpoint}/{SPEC_FILE}")
    manifest = read_manifest(open_store(dataset))
    if spec.classes != manifest.classes:
        raise CheckpointMismatchError(
            f"{checkpoint} was trained on the classes {', '.join(spec.classes)}; the data set {dataset} has {', '.join(manifest.classes)}"
        )
    model = build_model(spec).to(world.device, Precision(training.precision, world.device).parameters)
    restore_model(model, files[MODEL_FILE], checkpoint)
    trained = RunConfig.of(training.sections)
    task = build_task(trained.task, trained.data, len(spec.classes))
    split = ShardedSplit(open_store(dataset), manifest.split(config.split))
    return Subject(checkpoint, training, trained, spec, model, sha256_digest(files[MODEL_FILE]), manifest, split, task)


def _train_report(store: Store, position: Position, digest: str) -> TrainReport:
    key = train_report_key(position.generation)
    report = TrainReport.from_bytes(store.get(key), f"{store.uri}/{key}")
    if digest and report.digest != digest:
        raise DataError(
            f"{store.uri}/{key} has the digest {report.digest}; the training stage handed on {digest}. Run the training stage again"
        )
    return report


def _folder(config: EvaluationConfig, subject: Subject, out: str) -> str:
    """Named by everything that the evaluation is made from, so that what lies there never has to be replaced."""
    key = {
        "train_report": subject.training.digest,
        "model": subject.model_digest,
        "data": subject.manifest.digest,
        "evaluation": config.model_dump(mode="json"),
        "code_version": code_version(),
    }
    return join(out, "evaluations", short(digest_of(key)))


def _finished(store: Store) -> EvaluationReport | None:
    """The report of an evaluation that has been made; it is written last."""
    return EvaluationReport.from_bytes(store.get(REPORT), f"{store.uri}/{REPORT}") if store.stat(REPORT) and store.stat(PAGE) else None


def _write(store: Store, subject: Subject, config: EvaluationConfig, scored: Scored, seconds: float) -> EvaluationReport:
    """Pictures and page first; evaluation.json says that they are there."""
    view, classes = open_view(subject.trained.data), subject.spec.classes
    drawn = draw(choose(scored.by_image, config.examples), subject.model, subject.task, subject.split, view, classes)
    report = _report(config, subject, scored, seconds, join(store.uri, PAGE), tuple(example for example, _ in drawn))
    pictures = {example.picture: picture for example, picture in drawn}
    for name, picture in pictures.items():
        store.put(name, picture)
    training_store = open_store(split_uri(subject.checkpoint, levels=2)[0])
    history = read_history(training_store, subject.training.generation)
    page = render_page(report, subject.training, history, subject.manifest, pictures, subject.task.words)
    store.put(PAGE, page.encode())
    store.put(REPORT, report.to_bytes())
    return report


def _report(
    config: EvaluationConfig, subject: Subject, scored: Scored, seconds: float, page: str, examples: tuple[Example, ...]
) -> EvaluationReport:
    training, task = subject.training, subject.task
    return EvaluationReport(
        task=str(subject.spec.task["name"]),
        split=config.split,
        protocol=task.protocol,
        metrics=dict(task.summarise(scored.sums)),
        classes=task.per_class(scored.sums, subject.spec.classes),
        confusion=task.confusion(scored.sums),
        images=len(scored.by_image),
        images_per_second=len(scored.by_image) / seconds,
        seconds=seconds,
        checkpoint=subject.checkpoint,
        model_digest=subject.model_digest,
        train_report_digest=training.digest,
        data_digest=subject.manifest.digest,
        train_digest=training.train_digest,
        config_digest=digest_of({"train": training.config_digest, "evaluation": config.model_dump(mode="json")}),
        code_version=code_version(),
        examples=examples,
        page=page,
    )

"""A training run in its store: where it reads and writes, and how it is concluded. Torch-free: a finished run is told at once."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer import environment
from trainer.canonical import digest_of, sha256_digest, short
from trainer.checkpoint.commit import read_checkpoint
from trainer.checkpoint.documents import MANIFEST, MODEL_FILE, SPEC_FILE
from trainer.checkpoint.ledger import count_attempts
from trainer.checkpoint.listing import best, committed, open_generation, scores_of
from trainer.code_version import code_version, git_commit
from trainer.config import STAGE_SECTIONS, RunConfig
from trainer.data.shards import read_manifest
from trainer.reports import DatasetManifest, ModelSpec, TrainReport, train_report_key
from trainer.storage import Store, join, open_store, split_uri

if TYPE_CHECKING:
    from trainer.state import TrainState


@dataclass(frozen=True)
class Run:
    """Decided once, and the same on every rank."""

    config: RunConfig
    dataset: str
    manifest: DatasetManifest
    folder: str
    store: Store
    generation: int

    @property
    def spec(self) -> ModelSpec:
        sections = self.config.sections("model", "task", "data")
        return ModelSpec(classes=self.manifest.classes, mean=self.manifest.mean, std=self.manifest.std, **sections)

    def finished(self) -> TrainReport | None:
        """The report of a run that is complete: it says so itself, and the checkpoint that it hands on is there."""
        if self.store.stat(train_report_key(self.generation)) is None:
            return None
        report = self.report()
        selected = split_uri(report.checkpoint)[1]
        return report if report.completed and self.store.stat(f"checkpoints/{selected}/{MANIFEST}") else None

    def report(self) -> TrainReport:
        key = train_report_key(self.generation)
        return TrainReport.from_bytes(self.store.get(key), f"{self.folder}/{key}")


def open_run(config: RunConfig, dataset: str, out: str, fresh: str = "") -> Run:
    """The run of a config on a data set: a new one with the same content continues the old one, unless `fresh`; see `train`.

    Raises:
        DataError: the data set has no such split as the config names.
    """
    manifest = read_manifest(open_store(dataset))
    for split in (config.data.train_split, config.data.val_split):
        manifest.split(split)  # one that is missing is told before anything starts
    folder = join(out, "training", short(config.train_digest(manifest.digest)))
    store = open_store(folder)
    return Run(config, dataset, manifest, folder, store, open_generation(store, fresh))


def conclude(run: Run, state: TrainState, *, images_per_second: float, seconds: float) -> None:
    """Select a checkpoint, look at it once more, and write the report. Rank 0 alone."""
    config, positions = run.config, committed(run.store, run.generation)
    by_score = best(run.store, positions, config.training.select_by) if config.training.select == "best" else None
    selected = by_score or positions[-1]
    files = read_checkpoint(run.store, selected)
    sections = config.sections(*STAGE_SECTIONS["train"])
    report = TrainReport(
        completed=True,
        checkpoint=join(run.folder, selected.folder),
        samples_seen=state.samples_seen,
        steps=state.step,
        scores=scores_of(run.store, selected) or {},
        model_digest=sha256_digest(files[MODEL_FILE]),
        generation=run.generation,
        dataset=run.dataset,
        data_digest=run.manifest.digest,
        train_digest=config.train_digest(run.manifest.digest),
        config_digest=digest_of(sections),
        code_version=code_version(),
        git_commit=git_commit(),
        world_size=state.world.size,
        precision=state.precision.name,
        parameters=sum(parameter.numel() for parameter in state.module.parameters()),
        initial_weights=ModelSpec.from_bytes(files[SPEC_FILE], f"{run.folder}/{selected.folder}/{SPEC_FILE}").initial_weights,
        skipped_steps=state.loss_scale.skipped,
        images_per_second=images_per_second,
        seconds=seconds,
        attempts=count_attempts(run.store, run.generation),
        sections=sections,
        command=os.environ.get(environment.COMMAND) or shlex.join(["python", "-m", "trainer", *sys.argv[1:]]),
    )
    run.store.put(train_report_key(run.generation), report.to_bytes())

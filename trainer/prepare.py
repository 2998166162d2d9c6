"""The stage prepare: from a source of images to shards with a manifest. Imports no torch.

The folder is named by the content of the source and the settings, so finished work is found and adopted.
The manifest is written last: it is the commit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from trainer.canonical import short
from trainer.config import RunConfig
from trainer.cpus import usable_cpus
from trainer.data.encoding import ITEMS_PER_TASK, Encoded, Result, encoder
from trainer.data.selection import Policy, Selection, class_notices
from trainer.data.shard_writer import ShardWriter
from trainer.data.shards import MANIFEST, read_manifest
from trainer.data.sources import Source, open_source
from trainer.data.statistics import SplitStatistics
from trainer.data.targets import TARGETS
from trainer.errors import CorruptObjectError, DataError, ObjectMissingError
from trainer.reports import DatasetManifest, DatasetReport, FileDigest, Skipped
from trainer.storage import Store, open_store
from trainer.telemetry.sinks import EventSink, Sink

_PROGRESS_SECONDS = 0.5


def source_digest(config: RunConfig) -> str:
    """The digest of the source's present content: a parameter of the run, so that changed data is a changed run."""
    return open_source(config.source).digest()


def prepare(config: RunConfig, *, source_digest: str, out: str, processes: int | None = None, sink: Sink | None = None) -> DatasetReport:
    """Write the data set of a config, or adopt it where it is there already.

    Args:
        source_digest: of the source as the run began with it; empty where it could not be had then.
        out: URI below which `datasets/` lies.
        processes: how many read and encode; one for each core by default. Does not change a byte.
        sink: where progress is told; events by default.

    Raises:
        DataError: the source has changed since; a split is left empty; a sample cannot be used, or a class cannot be learnt, and the
            policy is `raise`; or more samples are skipped than may be.
    """
    started = time.monotonic()
    source = open_source(config.source)
    source_digest = _checked_digest(source, source_digest)
    store = open_store(out).below(f"datasets/{short(config.dataset_digest(source_digest))}")
    adopted = finished(store)
    manifest = adopted or _write(config, source, store, processes or usable_cpus(), sink or EventSink("prepare", "images"))
    return DatasetReport(
        dataset=store.uri,
        data_digest=manifest.digest,
        source_digest=source_digest,
        adopted=adopted is not None,
        seconds=time.monotonic() - started,
        samples={split.name: split.samples for split in manifest.splits},
        skipped=manifest.skipped,
        notices=manifest.notices,
    )


def _checked_digest(source: Source[Any], expected: str) -> str:
    """The source's digest as it is now, which must be the expected one where there is one."""
    found = source.digest()
    if expected and found != expected:
        raise DataError(f"the source's data changed since the run started: its digest was {expected} and is now {found}; start a new run")
    return found


def finished(store: Store) -> DatasetManifest | None:
    """The manifest of a data set whose every file is there; None where one must be made."""
    try:
        manifest = read_manifest(store)
    except (ObjectMissingError, CorruptObjectError, DataError):
        return None
    sizes = {entry.key: entry.size for entry in store.keys()}
    return manifest if all(sizes.get(file.name) == file.size for file in _files(manifest)) else None


def _files(manifest: DatasetManifest) -> Iterator[FileDigest]:
    for split in manifest.splits:
        for shard in split.shards:
            yield from (shard.tar, shard.index)


def _write(config: RunConfig, source: Source[Any], store: Store, processes: int, sink: Sink) -> DatasetManifest:
    total = _count(source)
    store.delete(MANIFEST)  # one that names missing files must not vouch for what is written now
    progress, selection = _Progress(sink, total), Selection(config.source, total)
    written: dict[str, tuple[ShardWriter, SplitStatistics]] = {}
    with encoder(config.source, max(1, min(processes, -(-total // ITEMS_PER_TASK)))) as encode:
        for split in source.splits:
            usable = selection.usable(split, progress.watch(encode(source.items(split))))
            statistics = SplitStatistics(source.target, len(source.classes))
            written[split] = _write_split(ShardWriter(store, split, config.source.samples_per_shard), statistics, usable)
            _require_labels(split, *written[split], selection.skipped)
    manifest = _manifest(source, written, selection.skipped, config.source.policy)
    store.put(MANIFEST, manifest.to_bytes())
    return manifest


def _count(source: Source[Any]) -> int:
    """How many images there are; every split must have some."""
    counts = {split: source.count(split) for split in source.splits}
    for split, count in counts.items():
        if not count:
            raise DataError(
                f"split {split} has no usable sample: no image at all. Add some, or take the split out of source.splits; "
                "where there are few images, source.split_shares may give a split none"
            )
    return sum(counts.values())


def _write_split(writer: ShardWriter, statistics: SplitStatistics, samples: Iterable[Encoded]) -> tuple[ShardWriter, SplitStatistics]:
    with writer:
        for encoded in samples:
            writer.add(encoded.sample)
            statistics.add(encoded.sample, encoded.counts)
    return writer, statistics


def _require_labels(split: str, writer: ShardWriter, statistics: SplitStatistics, skipped: list[Skipped]) -> None:
    if not writer.samples:
        raise DataError(f"split {split} has no usable sample; the last of {len(skipped)} skipped: {skipped[-1].file} {skipped[-1].reason}")
    if not any(statistics.class_counts):
        raise DataError(f"every pixel of split {split} is ignored, so it can neither teach nor score; look at its masks and source.ignore")


def _manifest(
    source: Source[Any], written: dict[str, tuple[ShardWriter, SplitStatistics]], skipped: list[Skipped], policy: Policy
) -> DatasetManifest:
    mean, std = written[source.splits[0]][1].mean_and_std()
    splits = tuple(statistics.summary(split, writer.shards) for split, (writer, statistics) in written.items())
    return DatasetManifest(
        unit=TARGETS[source.target].unit,
        classes=source.classes,
        mean=mean,
        std=std,
        splits=splits,
        skipped=tuple(skipped),
        notices=tuple(class_notices(source.classes, splits, policy)),
    )


class _Progress:
    """Tells how far it is, about twice a second and at the end."""

    def __init__(self, sink: Sink, total: int) -> None:
        self._sink, self._total = sink, total
        self._done = 0
        self._started = self._told = time.monotonic()

    def watch(self, results: Iterable[Result]) -> Iterator[Result]:
        for result in results:
            self._done += 1
            if self._done == self._total or time.monotonic() - self._told >= _PROGRESS_SECONDS:
                self._tell(time.monotonic())
            yield result

    def _tell(self, now: float) -> None:
        self._told = now
        rate = self._done / (now - self._started)
        self._sink.progress(done=self._done, total=self._total, images_per_second=rate, eta_seconds=(self._total - self._done) / rate)

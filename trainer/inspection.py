"""What a data set holds: of prepared shards all of it, of a raw source a sample, read without preparing it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from trainer import config
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.data.sources import Source, UnusableImageError, open_source
from trainer.data.sources.base import Pixels, Target
from trainer.data.sources.pictures import read_labels, read_picture
from trainer.data.targets import TARGETS
from trainer.labels import IGNORE
from trainer.report.inspected import InspectedSplit, Inspection, find_amiss, histogram
from trainer.report.inspection_page import Example
from trainer.report.overlay import class_palette, tinted
from trainer.reports import Skipped
from trainer.storage import open_store

EXAMPLES = 12  # pictures of the contact sheet, over all splits
_LONGEST = 320  # pixels of such a picture's longer side


class Inspected(NamedTuple):
    report: Inspection
    examples: list[Example]


class Shown(NamedTuple):
    """A sample, decoded: pixels `[H, W, 3]`, and its mask or label."""

    name: str
    pixels: Pixels
    target: Pixels | int


def inspect_prepared(uri: str, examples: int = EXAMPLES) -> Inspected:
    """Look at a prepared data set: its documents tell all but the examples.

    Raises:
        ObjectMissingError: nothing has been prepared there.
    """
    store = open_store(uri)
    manifest = read_manifest(store)
    splits: list[InspectedSplit] = []
    pictures: list[Example] = []
    for split in manifest.splits:
        samples = ShardedSplit(store, split)
        splits.append(_summary(split.name, (split.samples, split.samples), samples.sizes, (split.class_counts, split.ignored)))
        shown = (_decoded(samples, index) for index in spread(split.samples, -(-examples // len(manifest.splits))))
        pictures += [_draw(split.name, one, manifest.classes, split.target) for one in shown]
    report = Inspection(
        uri=uri,
        data_digest=manifest.digest,
        unit=manifest.unit,
        classes=manifest.classes,
        splits=tuple(splits),
        skipped=manifest.skipped,
        findings=_findings(manifest.classes, manifest.unit, splits, manifest.skipped),
    )
    return Inspected(report, pictures)


def inspect_source(section: config.Source, sample: int, examples: int = EXAMPLES) -> Inspected:
    """Read some images of each split of a raw source, evenly spread over it; nothing is written.

    Raises:
        ConfigError: the source is not laid out as its format wants it.
        DataError: a split cannot be listed.
    """
    source = open_source(section)
    splits: list[InspectedSplit] = []
    pictures: list[Example] = []
    skipped: list[Skipped] = []
    for split in source.splits:
        tally = _Tally(source, -(-examples // len(source.splits)))
        total = source.count(split)
        tally.read(split, chosen := spread(total, sample))
        splits.append(_summary(split, (total, len(chosen)), tally.sizes, tally.counted()))
        pictures += tally.pictures
        skipped += tally.skipped
    unit = TARGETS[source.target].unit
    report = Inspection(
        uri=section.uri,
        data_digest="",
        unit=unit,
        classes=source.classes,
        splits=tuple(splits),
        skipped=tuple(skipped),
        findings=_findings(source.classes, unit, splits, skipped),
    )
    return Inspected(report, pictures)


def first_fault(splits: Sequence[InspectedSplit], skipped: Sequence[Skipped]) -> Skipped | None:
    """The first of the images that cannot be used, where there is none that can."""
    return skipped[0] if skipped and not any(split.smallest for split in splits) else None


def spread(total: int, wanted: int) -> list[int]:
    """So many of the indices below `total`, evenly spread; all where there are no more."""
    return sorted(set(np.linspace(0, total - 1, min(wanted, total)).round().astype(int).tolist())) if total else []


def _findings(classes: Sequence[str], unit: str, splits: Sequence[InspectedSplit], skipped: Sequence[Skipped]) -> tuple[str, ...]:
    """What may be amiss; of images of which none can be used there is nothing else to say."""
    if first := first_fault(splits, skipped):
        return (f"no image could be used: {first.file} {first.reason}",)
    return find_amiss(classes, unit, splits, len(skipped))


class _Tally:
    """What was read of one split of a source."""

    def __init__(self, source: Source[Any], examples: int) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.skipped: list[Skipped] = []
        self.pictures: list[Example] = []
        self._source = source
        self._examples = examples
        self._counts = np.zeros(max(len(source.classes), IGNORE + 1), np.int64)

    def read(self, split: str, indices: Sequence[int]) -> None:
        wanted, shown = set(indices), {indices[place] for place in spread(len(indices), self._examples)}
        for index, item in enumerate(self._source.items(split)):
            if index in wanted:
                self._read_one(split, item, show=index in shown)

    def counted(self) -> tuple[tuple[int, ...], int]:
        """What each class has, and what belongs to none."""
        classes = len(self._source.classes)
        return tuple(self._counts[:classes].tolist()), int(self._counts[classes:].sum())

    def _read_one(self, split: str, item: Any, *, show: bool) -> None:
        try:
            sample = self._source.read(item)
        except UnusableImageError as error:
            self.skipped.append(Skipped(file=error.file, reason=error.reason))
            return
        counts = TARGETS[self._source.target].count(sample.target)
        self._counts[: len(counts)] += counts
        self.sizes.append((sample.pixels.shape[0], sample.pixels.shape[1]))
        if show:
            shown = Shown(sample.name, sample.pixels, sample.target)
            self.pictures.append(_draw(split, shown, self._source.classes, self._source.target))


def _summary(
    name: str, images: tuple[int, int], sizes: NDArray[np.int64] | Sequence[tuple[int, int]], counted: tuple[tuple[int, ...], int]
) -> InspectedSplit:
    """Of the images that there are and that were tried, the sizes `[N, 2]` of those that could be read, and what was counted of them."""
    table = np.asarray(sizes, np.int64).reshape(-1, 2)
    class_counts, ignored = counted
    return InspectedSplit(
        name=name,
        images=images[0],
        seen=images[1],
        class_counts=class_counts,
        ignored=ignored,
        smallest=_pair(table.min(axis=0)) if len(table) else None,
        largest=_pair(table.max(axis=0)) if len(table) else None,
        sizes=histogram(table.max(axis=1).tolist()) if len(table) else (),
    )


def _pair(values: NDArray[np.int64]) -> tuple[int, int]:
    height, width = values.tolist()
    return height, width


def _decoded(samples: ShardedSplit, index: int) -> Shown:
    name = samples.names[index]
    image, target = samples.read(index)
    read_target = _READ[cast(Target, samples.target)]
    return Shown(name, read_picture(image, name).pixels, read_target(target, name))


def _read_label(data: bytes, _: str) -> int:
    return int(data)


def _draw(split: str, shown: Shown, classes: Sequence[str], target: Target) -> Example:
    label, mask = _PARTS[target](shown, classes)
    png = tinted(np.moveaxis(shown.pixels, 2, 0), mask, class_palette(len(classes)), longest=_LONGEST)
    return Example(split, shown.name, label, png)


def _label_of(shown: Shown, classes: Sequence[str]) -> tuple[str, Pixels]:
    return classes[int(shown.target)], np.full(shown.pixels.shape[:2], IGNORE, np.uint8)


def _mask_of(shown: Shown, _: Sequence[str]) -> tuple[str, Pixels]:
    return "", np.asarray(shown.target, np.uint8)


_READ: dict[Target, Callable[[bytes, str], Pixels | int]] = {"mask": read_labels, "label": _read_label}
_PARTS: dict[Target, Callable[[Shown, Sequence[str]], tuple[str, Pixels]]] = {"mask": _mask_of, "label": _label_of}

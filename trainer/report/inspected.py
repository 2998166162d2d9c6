"""What a look at a data set found: the document, and what may be amiss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from trainer.report.wording import percent, rounded, whole
from trainer.reports import Part, Report, Skipped

_BINS = 8
_LOPSIDED = 20  # from so many times as much of one class as of another on, it is told
_MOST_NAMED = 8


class SizeBin(Part):
    """How many images have a longer side of `least` to `most` pixels."""

    least: int
    most: int
    images: int


class InspectedSplit(Part):
    """A split of `images`, of which `seen` were looked at. Smallest and largest (height, width) are taken of heights and widths apart."""

    name: str
    images: int
    seen: int
    class_counts: tuple[int, ...]
    ignored: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    sizes: tuple[SizeBin, ...]

    @property
    def shares(self) -> tuple[float | None, ...]:
        """Each class's part of what is labelled; None where nothing is."""
        labelled = sum(self.class_counts)
        return tuple(count / labelled if labelled else None for count in self.class_counts)


class Inspection(Report):
    """A data set. Classes are counted in `unit`; `data_digest` is empty where nothing is prepared; `findings` are what may be amiss."""

    kind: Literal["inspection"] = "inspection"
    uri: str
    data_digest: str
    unit: Literal["pixels", "images"]
    classes: tuple[str, ...]
    splits: tuple[InspectedSplit, ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[str, ...]

    @property
    def is_sample(self) -> bool:
        """Whether images were left unread."""
        return any(split.seen < split.images for split in self.splits)


def histogram(longer_sides: Sequence[int]) -> tuple[SizeBin, ...]:
    """Images by their longer side in pixels; one bin where all are of one size, none where there is no image."""
    if not longer_sides:
        return ()
    least, most = min(longer_sides), max(longer_sides)
    bins = min(_BINS, most - least + 1)
    edges = [least + (most + 1 - least) * edge // bins for edge in range(bins + 1)]
    return tuple(
        SizeBin(least=low, most=high - 1, images=sum(low <= side < high for side in longer_sides)) for low, high in pairwise(edges)
    )


def find_amiss(classes: Sequence[str], unit: str, splits: Sequence[InspectedSplit], skipped: int) -> tuple[str, ...]:
    """What may be amiss, a sentence each. What is learnt from is the first split."""
    told = [f"{whole(skipped)} {'image' if skipped == 1 else 'images'} cannot be used"] if skipped else []
    for split in splits:
        told += _unbalanced(classes, split, splits[0])
    return (*told, *_lopsided(classes, unit, splits[0]), *_unlabelled(unit, splits))


def _unbalanced(classes: Sequence[str], split: InspectedSplit, first: InspectedSplit) -> Iterator[str]:
    counts = list(zip(classes, split.class_counts, first.class_counts, strict=True))
    if absent := [name for name, count, _ in counts if not count]:
        read = "the one image that was read" if split.seen == 1 else f"the {whole(split.seen)} images that were read"
        where = read if split.seen < split.images else "any image"
        yield f"split {split.name} does not show {_listed(absent)} in {where}"
    if unlearnt := [name for name, count, learnt in counts if count and not learnt]:
        yield f"split {split.name} shows {_listed(unlearnt)}, which {first.name} does not"


def _lopsided(classes: Sequence[str], unit: str, split: InspectedSplit) -> Iterator[str]:
    present = {name: count for name, count in zip(classes, split.class_counts, strict=True) if count}
    if not present:
        return
    most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
    if present[most] >= _LOPSIDED * present[least]:
        yield f"split {split.name} has {rounded(present[most] / present[least])} times as many {unit} of {most} as of {least}"


def _unlabelled(unit: str, splits: Sequence[InspectedSplit]) -> Iterator[str]:
    for split in splits:
        labelled = sum(split.class_counts)
        if split.ignored > labelled:
            yield f"{percent(split.ignored / (split.ignored + labelled))} of the {unit} of split {split.name} belong to no class"


def _listed(names: Sequence[str]) -> str:
    """Names with commas; of many the first."""
    return ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")

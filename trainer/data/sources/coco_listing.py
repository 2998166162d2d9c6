"""Which images of COCO's annotation files belong to which split, and which of them the files already show to be unusable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from trainer.config import CocoSource
from trainer.data.sources.coco_annotations import Annotation, AnnotationFile, ImageRecord, read_annotations
from trainer.data.sources.layout import Unusable, another_layout, list_entries, list_files, read_split_lists, stem_below
from trainer.data.sources.splits import assign_splits
from trainer.errors import ConfigError
from trainer.storage import Entry, Store
from trainer.storage.base import checked_key

_SPLIT = "{split}"
_TOLD = 5  # annotations that a message names

Records = Sequence[ImageRecord | Unusable]


class CocoListing:
    """The images of each split. An annotation file is read when it is first needed, and kept."""

    def __init__(self, section: CocoSource, store: Store) -> None:
        self._section, self._store = section, store
        self._files: dict[str, AnnotationFile] = {}  # by key
        self._has_lists = not section.split_shares and _SPLIT not in section.annotations

    def file(self, split: str) -> AnnotationFile:
        key = self._annotations(split)
        if key not in self._files:
            self._files[key] = read_annotations(self._store, self._annotations_entry(key))
        return self._files[key]

    def records(self, split: str) -> Records:
        """The images of a split, and behind them what its file annotates without listing it."""
        return self._records[split]

    def key(self, split: str, record: ImageRecord) -> str:
        return self._folder(split) + record.file_name

    def entries(self) -> Iterator[Entry]:
        """The files that are used: annotations, lists, and the images that these name."""
        yield from (self._annotations_entry(key) for key in sorted({self._annotations(split) for split in self._section.splits}))
        if self._has_lists:
            yield from list_entries(self._store, self._records)
        named: dict[str, set[str]] = {}
        for split in self._section.splits:
            records = self._records[split] if self._has_lists else self.file(split).images  # splits need not be drawn for this
            keys = (self.key(split, record) for record in records if isinstance(record, ImageRecord))
            named.setdefault(self._folder(split), set()).update(keys)
        for folder in sorted(named):
            yield from (entry for entry in self._store.keys(folder) if entry.key in named[folder])

    @cached_property
    def _records(self) -> dict[str, Records]:
        by_split = self._images()
        told = set[str]()
        for split in self._section.splits:
            file = self.file(split)
            if file.key not in told:
                by_split[split].extend(_strays(file))
                told.add(file.key)
        return dict(by_split)

    def _images(self) -> dict[str, list[ImageRecord | Unusable]]:
        splits = self._section.splits
        if self._section.split_shares:
            return self._drawn(self.file(splits[0]))
        if not self._has_lists:
            return {split: list(self.file(split).images) for split in splits}
        lists = read_split_lists(self._store, splits)
        if not lists:
            advice = "Add the lists, or set source.split_shares, or write {split} in source.annotations"
            raise another_layout(self._store, "coco", list_files(splits), advice)
        return {split: self._listed(split, stems) for split, stems in lists.items()}

    def _drawn(self, file: AnnotationFile) -> dict[str, list[ImageRecord | Unusable]]:
        """By content; images that are not there cannot be drawn and stand in the first split."""
        splits, folder = self._section.splits, self._folder(self._section.splits[0])
        wanted = {folder + record.file_name for record in file.images}
        there = [entry.key for entry in self._store.keys(folder) if entry.key in wanted]
        drawn = assign_splits(self._store, there, splits, self._section.split_shares)
        split_of = {key: split for split, keys in drawn.items() for key in keys}
        by_split: dict[str, list[ImageRecord | Unusable]] = {split: [] for split in splits}
        for record in file.images:
            by_split[split_of.get(folder + record.file_name, splits[0])].append(record)
        return by_split

    def _listed(self, split: str, stems: Sequence[str]) -> list[ImageRecord | Unusable]:
        file = self.file(split)
        by_stem: dict[str, list[ImageRecord]] = {}
        for record in file.images:
            by_stem.setdefault(stem_below("", record.file_name), []).append(record)
        return [self._only_record(file, split, stem, by_stem.get(stem, [])) for stem in stems]

    def _only_record(self, file: AnnotationFile, split: str, stem: str, records: list[ImageRecord]) -> ImageRecord | Unusable:
        if not records:
            return Unusable(stem, self._folder(split) + stem, f"is listed, but {file.key} has no such image")
        if len(records) > 1:
            ids = ", ".join(str(record.id) for record in records)
            return Unusable(stem, self.key(split, records[0]), f"shares its stem with others in {file.key}, images {ids}; keep one of them")
        return records[0]

    def _annotations(self, split: str) -> str:
        return self._section.annotations.replace(_SPLIT, split)

    def _annotations_entry(self, key: str) -> Entry:
        if entry := self._store.stat(key):
            return entry
        raise another_layout(self._store, "coco", key, "Set source.annotations and source.images to where they are")

    def _folder(self, split: str) -> str:
        """Of the images, with a slash at its end; empty where they lie at the root."""
        folder = self._section.images.replace(_SPLIT, split).strip("/")
        return f"{folder}/" if folder not in {"", "."} else ""


def problem_of(file: AnnotationFile, record: ImageRecord, annotations: Sequence[Annotation]) -> str:
    """Why an image cannot be used, as far as its file shows; empty where it shows nothing."""
    if not _is_key(record.file_name):
        return f"is named so in {file.key}, which is no path below the folder of the images"
    if record.id in file.repeated_ids:
        return f"has the id {record.id}, which {file.key} gives to several images; give each its own"
    if record.file_name in file.repeated_names:
        return f"is listed more than once in {file.key}; keep one of the entries"
    for annotation in annotations:
        if annotation.id in file.annotations.repeated_ids:
            return f"has annotation {annotation.id}, an id that {file.key} gives to several; give each its own"
        if annotation.category not in file.categories:
            return f"has annotation {annotation.id} of category {annotation.category}, which {file.key} does not name"
    return ""


def _strays(file: AnnotationFile) -> Iterator[Unusable]:
    """Images that are annotated but not listed."""
    listed = {record.id for record in file.images}
    for image in file.annotations.images.tolist():
        if image not in listed:
            ids = [str(annotation.id) for annotation in file.annotations.of_image(image)]
            told = ", ".join(ids[:_TOLD]) + (", …" if len(ids) > _TOLD else "")
            yield Unusable(f"image {image}", file.key, f"has annotations of image {image}, which it does not list: {told}")


def _is_key(path: str) -> bool:
    try:
        return bool(checked_key(path))
    except ConfigError:
        return False

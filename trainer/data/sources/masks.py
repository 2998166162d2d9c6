"""Folders `images/` and `masks/`: index PNGs paired with images by file stem, on a disk or in a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainer.canonical import canonical_json, sha256_digest
from trainer.config import MasksSource
from trainer.data.parallel import in_order
from trainer.data.sources.base import Pixels, Sample, UnusableImageError
from trainer.data.sources.layout import images_by_stem, list_file, read_split_lists, require_folders
from trainer.data.sources.pictures import read_labels, read_picture
from trainer.errors import ConfigError, ObjectMissingError
from trainer.labels import IGNORE
from trainer.storage import Entry, open_store

_HASHING_THREADS = 8


@dataclass(frozen=True)
class MaskItem:
    """A stem with the keys of its image (none or several are reported when it is read) and of its mask."""

    name: str
    images: tuple[str, ...]
    mask: str


class MaskFolders:
    """Images with masks whose values are class indices."""

    def __init__(self, section: MasksSource) -> None:
        if not section.uri:
            raise ConfigError("source masks needs data: pass --data URI")
        self.classes = section.classes
        self.splits = section.splits
        self._store = open_store(section.uri)
        self._is_known, self._class_of = _label_tables(section)
        self._listings: dict[str, dict[str, str]] = {}  # folder → stem → extensions

    def count(self, split: str) -> int:
        return len(self._stems(split))

    def items(self, split: str) -> Iterator[MaskItem]:
        images, below = self._images_of(split), self._folder_of(split)
        for stem in self._stems(split):
            keys = tuple(f"images/{below}{stem}{extension}" for extension in images.get(stem, "").split())
            yield MaskItem(stem, keys, f"masks/{below}{stem}.png")

    def read(self, item: MaskItem) -> Sample:
        file = _only_image(item)
        picture = read_picture(self._get(file, file, "has gone since it was listed"), file)
        labels = read_labels(self._get(item.mask, file, f"has no mask {item.mask}"), item.mask)
        if labels.shape != picture.pixels.shape[:2]:
            sizes = f"has {_size(picture.pixels)} pixels (height × width), but its mask {item.mask} has {_size(labels)}"
            raise UnusableImageError(file, sizes)
        return Sample(item.name, picture.data, picture.extension, picture.pixels, self._to_classes(labels, item.mask))

    def digest(self) -> str:
        """Of the sorted listing of what is used: key, size, and ETag or, where the store has none, a hash of the content."""
        listing = hashlib.sha256()
        with ThreadPoolExecutor(_HASHING_THREADS) as pool:
            for line in in_order(pool, self._describe, self._entries(), in_flight=2 * _HASHING_THREADS):
                listing.update(line.encode())
        return "sha256:" + listing.hexdigest()

    @cached_property
    def _lists(self) -> dict[str, tuple[str, ...]]:
        """The stems of each split; empty where the splits are sub-folders."""
        lists = read_split_lists(self._store, self.splits)
        if not lists:
            require_folders(self._store, self.splits)
        return lists

    def _stems(self, split: str) -> tuple[str, ...] | list[str]:
        return self._lists[split] if self._lists else sorted(self._images_of(split))

    def _images_of(self, split: str) -> dict[str, str]:
        folder = f"images/{self._folder_of(split)}"
        if folder not in self._listings:
            self._listings[folder] = images_by_stem(self._store, folder)
        return self._listings[folder]

    def _folder_of(self, split: str) -> str:
        return "" if self._lists else f"{split}/"

    def _get(self, key: str, file: str, if_missing: str) -> bytes:
        try:
            return self._store.get(key)
        except ObjectMissingError:
            raise UnusableImageError(file, if_missing) from None

    def _to_classes(self, labels: Pixels, file: str) -> Pixels:
        found = np.bincount(labels.ravel(), minlength=256)
        if unknown := np.flatnonzero((found > 0) & ~self._is_known).tolist():
            values = ", ".join(f"{value} in {found[value]} pixels" for value in unknown[:8]) + (", …" if len(unknown) > 8 else "")
            known = f"one of the {len(self.classes)} classes nor in source.ignore"
            raise UnusableImageError(file, f"holds values that are neither {known}: {values}")
        return self._class_of[labels]

    def _entries(self) -> Iterator[Entry]:
        yield from (entry for split in sorted(self._lists) if (entry := self._store.stat(list_file(split))))
        below = [""] if self._lists else sorted(f"{split}/" for split in self.splits)
        for folder in ("images/", "masks/"):
            for part in below:
                yield from self._store.keys(folder + part)

    def _describe(self, entry: Entry) -> str:
        tag = entry.etag or sha256_digest(self._store.get(entry.key))
        return canonical_json([entry.key, entry.size, tag]) + "\n"


def _label_tables(section: MasksSource) -> tuple[NDArray[np.bool_], Pixels]:
    """For each value of a mask, `[256]`: whether it is known, and the class index or IGNORE that it becomes."""
    is_known, class_of = np.zeros(256, np.bool_), np.full(256, IGNORE, np.uint8)
    is_known[: len(section.classes)] = True
    class_of[: len(section.classes)] = np.arange(len(section.classes))
    is_known[list(section.ignore)] = True
    return is_known, class_of


def _only_image(item: MaskItem) -> str:
    if not item.images:
        raise UnusableImageError(f"images/{item.name}", "is listed, but there is no such image")
    first, *others = item.images
    if others:
        raise UnusableImageError(first, f"shares its stem with {', '.join(others)}; keep one of them")
    return first


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[0]} × {pixels.shape[1]}"

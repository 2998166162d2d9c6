"""One folder a class, named as the class, on a disk or in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from trainer.config import FoldersSource
from trainer.data.sources.base import Sample, Target, UnusableImageError
from trainer.data.sources.contents import listing_digest
from trainer.data.sources.layout import (
    Unusable,
    another_layout,
    draw_by_content,
    images_by_stem,
    is_image,
    list_entries,
    list_files,
    open_data,
    read_file,
    read_split_lists,
)
from trainer.data.sources.pictures import read_picture
from trainer.errors import ConfigError
from trainer.storage import Entry


@dataclass(frozen=True)
class Labelled:
    """The key of an image, and its class index. The name is its path without extension, below the split's folder."""

    name: str
    image: str
    label: int


class ClassFolders:
    """Images whose class is the folder that they lie in, at whatever depth. Splits are folders above, lists, or drawn by content."""

    def __init__(self, section: FoldersSource) -> None:
        self.target: Target = section.target
        self.splits = section.splits
        self._section = section
        self._store = open_data(section, "folders")
        self._listings: dict[str, dict[str, str]] = {}  # folder → path without extension → extensions

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def count(self, split: str) -> int:
        return len(self._members(split))

    def items(self, split: str) -> Iterator[Labelled | Unusable]:
        below = self._below(split)
        labels = {name: index for index, name in enumerate(self._classes)}
        for path in self._members(split):
            image, *others = self._keys(below, path) or [""]
            if not image:
                yield Unusable(path, path, "is listed, but there is no such image")
            elif others:
                yield Unusable(path, image, f"shares its stem with {', '.join(others)}; keep one of them")
            elif not (folder := _class_folder(path)):
                yield Unusable(path, image, "lies in no folder of a class; move it into one")
            else:
                yield Labelled(path, image, labels[folder])

    def read(self, item: Labelled | Unusable) -> Sample:
        if isinstance(item, Unusable):
            raise UnusableImageError(item.file, item.reason)
        picture = read_picture(read_file(self._store, item.image, item.image, "has gone since it was listed"), item.image)
        return Sample(item.name, picture.data, picture.extension, picture.pixels, item.label, item.image)

    def digest(self) -> str:
        return listing_digest(self._store, self._entries())

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        """The folders that hold images, of all splits together: sorted, or in the order that the config gives them."""
        found = {_class_folder(path) for split in self.splits for path in self._images(self._below(split))} - {""}
        if self._section.split_shares and found and found <= set(self.splits):
            raise ConfigError(
                f"source.split_shares draws splits from <class>/, but the folders of {self._store.uri} are splits already: "
                f"{', '.join(sorted(found))}. Take source.split_shares out"
            )
        if self._section.classes:
            _require_same(self._section.classes, found, self._store.uri)
            return self._section.classes
        _require_two(found, self._store.uri)
        return tuple(sorted(found))

    @cached_property
    def _lists(self) -> dict[str, tuple[str, ...]]:
        """The paths of each split as its list has them; empty where splits are folders or drawn."""
        if self._section.split_shares:
            return {}
        lists = read_split_lists(self._store, self.splits)
        if not lists:
            self._require_split_folders()
        return lists

    @cached_property
    def _drawn(self) -> dict[str, tuple[str, ...]]:
        return draw_by_content(self._store, self._section, {path: self._keys("", path)[0] for path in self._images("")})

    def _members(self, split: str) -> Sequence[str]:
        if self._section.split_shares:
            return self._drawn[split]
        return self._lists[split] if self._lists else sorted(self._images(f"{split}/"))

    def _keys(self, below: str, path: str) -> list[str]:
        return [f"{below}{path}{extension}" for extension in self._images(below).get(path, "").split()]

    def _images(self, below: str) -> dict[str, str]:
        if below not in self._listings:
            self._listings[below] = images_by_stem(self._store, below)
        return self._listings[below]

    def _below(self, split: str) -> str:
        """The folder that holds the folders of a split's classes."""
        return "" if self._section.split_shares or self._lists else f"{split}/"

    def _entries(self) -> Iterator[Entry]:
        yield from list_entries(self._store, self._lists)
        for below in sorted({self._below(split) for split in self.splits}):
            yield from (entry for entry in self._store.keys(below) if is_image(entry.key.removeprefix(below)))

    def _require_split_folders(self) -> None:
        lacking = [f"{split}/" for split in self.splits if next(iter(self._store.keys(f"{split}/")), None) is None]
        if lacking:
            looked_for = f"{list_files(self.splits)}, or else for <split>/<class>/; there is no {', '.join(lacking)}"
            advice = "Add the files, or name other splits in source.splits, or set source.split_shares, which draws splits from <class>/"
            raise another_layout(self._store, "folders", looked_for, advice)


def _class_folder(path: str) -> str:
    """The first folder of a path; empty where it has none."""
    folder, slash, _ = path.partition("/")
    return folder if slash else ""


def _require_two(found: set[str], uri: str) -> None:
    if len(found) < 2:
        held = ", ".join(found) or "none"
        raise ConfigError(f"{uri} must have a folder with images for each of at least two classes; it has {held}. Add the folders")


def _require_same(wanted: Sequence[str], found: set[str], uri: str) -> None:
    if lacking := [name for name in wanted if name not in found]:
        held = ", ".join(sorted(found)) or "none"
        raise ConfigError(f"source.classes names {', '.join(lacking)}, but no folder of that name in {uri} holds an image; it has {held}")
    if others := sorted(found.difference(wanted)):
        raise ConfigError(f"{uri} has folders that source.classes does not name: {', '.join(others)}. Name them, or move them away")

"""Images paired with mask files by their stem, on a disk or in a bucket: what the sources masks and voc have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from trainer.config import MasksSource, VocSource
from trainer.data.sources.base import Pixels, Sample, Target, UnusableImageError
from trainer.data.sources.contents import listing_digest
from trainer.data.sources.layout import (
    Unusable,
    draw_by_content,
    images_by_stem,
    list_entries,
    open_data,
    read_file,
    read_split_lists,
    stem_below,
)
from trainer.data.sources.mask_values import MaskValues
from trainer.data.sources.pictures import read_picture
from trainer.storage import Entry, Store


@dataclass(frozen=True)
class PairLayout:
    """Where the files lie, each folder with a slash at its end.

    Args:
        needs_masks: images without mask are not meant, rather than incomplete, where no list says which are.
        require_sub_folders: raises where splits can be neither lists nor sub-folders.
    """

    source: str
    images: str
    masks: str
    lists: str
    needs_masks: bool
    require_sub_folders: Callable[[Store, Sequence[str]], None]


@dataclass(frozen=True)
class Pair:
    """The keys of an image, which was there when it was listed, and of its mask, which may be missing."""

    name: str
    image: str
    mask: str


class MaskPairs:
    """Images with a mask file each. Splits are lists of stems, sub-folders, or drawn by content."""

    def __init__(self, section: MasksSource | VocSource, layout: PairLayout, values: MaskValues) -> None:
        self.classes = section.classes
        self.target: Target = section.target
        self.splits = section.splits
        self._section, self._layout, self._values = section, layout, values
        self._store = open_data(section, layout.source)
        self._listings: dict[str, dict[str, str]] = {}  # folder → stem → extensions

    def count(self, split: str) -> int:
        return len(self._members(split))

    def items(self, split: str) -> Iterator[Pair | Unusable]:
        below = self._below(split)
        for stem in self._members(split):
            image, *others = self._keys(self._layout.images + below, stem) or [""]
            if not image:
                yield self._without_image(stem, below)
            elif others:
                yield Unusable(stem, image, f"shares its stem with {', '.join(others)}; keep one of them")
            else:
                yield Pair(stem, image, f"{self._layout.masks}{below}{stem}.png")

    def read(self, item: Pair | Unusable) -> Sample:
        if isinstance(item, Unusable):
            raise UnusableImageError(item.file, item.reason)
        picture = read_picture(read_file(self._store, item.image, item.image, "has gone since it was listed"), item.image)
        mask = self._values.read(read_file(self._store, item.mask, item.image, f"has no mask {item.mask}"), item.mask)
        if mask.shape != picture.pixels.shape[:2]:
            sizes = f"has {_size(picture.pixels)} pixels (height × width), but its mask {item.mask} has {_size(mask)}"
            raise UnusableImageError(item.image, sizes)
        return Sample(item.name, picture.data, picture.extension, picture.pixels, mask, item.image)

    def digest(self) -> str:
        return listing_digest(self._store, self._entries())

    @cached_property
    def _lists(self) -> dict[str, tuple[str, ...]]:
        """The stems of each split as its list has them; empty where splits are sub-folders or drawn."""
        if self._section.split_shares:
            return {}
        lists = read_split_lists(self._store, self.splits, self._layout.lists)
        if not lists:
            self._layout.require_sub_folders(self._store, self.splits)
        return lists

    @cached_property
    def _drawn(self) -> dict[str, tuple[str, ...]]:
        """The stems of each split by the content of the image; by the mask's where there is no image."""
        images, masks = self._layout.images, self._layout.masks
        keys = {stem: (self._keys(images, stem) or self._keys(masks, stem))[0] for stem in self._stems_below("")}
        return draw_by_content(self._store, self._section, keys)

    def _members(self, split: str) -> Sequence[str]:
        if self._section.split_shares:
            return self._drawn[split]
        return self._lists[split] if self._lists else sorted(self._stems_below(f"{split}/"))

    def _stems_below(self, below: str) -> set[str]:
        """The stems that are meant where no list says it; masks without image among them."""
        masks = set(self._files(self._layout.masks + below))
        return masks if self._layout.needs_masks else masks | self._files(self._layout.images + below).keys()

    def _without_image(self, stem: str, below: str) -> Unusable:
        image = f"{self._layout.images}{below}{stem}"
        if self._lists:
            return Unusable(stem, image, "is listed, but there is no such image")
        return Unusable(stem, self._keys(self._layout.masks + below, stem)[0], f"has no image {image}")

    def _keys(self, folder: str, stem: str) -> list[str]:
        return [f"{folder}{stem}{extension}" for extension in self._files(folder).get(stem, "").split()]

    def _files(self, folder: str) -> dict[str, str]:
        if folder not in self._listings:
            self._listings[folder] = images_by_stem(self._store, folder)
        return self._listings[folder]

    def _below(self, split: str) -> str:
        return "" if self._section.split_shares or self._lists else f"{split}/"

    def _entries(self) -> Iterator[Entry]:
        """The lists, and each file that they, or where there are none the folders, say is meant."""
        yield from list_entries(self._store, self._lists, self._layout.lists)
        below = sorted({self._below(split) for split in self.splits})
        meant = {part: set(chain(*self._lists.values())) or self._stems_below(part) for part in below}
        for folder in (self._layout.images, self._layout.masks):
            for part in below:
                yield from (entry for entry in self._store.keys(folder + part) if stem_below(folder + part, entry.key) in meant[part])


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[0]} × {pixels.shape[1]}"

"""A COCO annotation file in memory: what it says of images, categories and objects, in about the size that it has on disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainer.data.sources.coco_shapes import pack
from trainer.data.sources.json_records import Record, flag, stream_records, text, whole_number
from trainer.errors import DataError
from trainer.storage import Entry, Store

T = TypeVar("T", int, str)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An entry of `images`; `size` is height and width, None where the file does not say."""

    id: int
    file_name: str
    size: tuple[int, int] | None


class Annotation(NamedTuple):
    """An entry of `annotations`; its shape is a packed segmentation."""

    id: int
    category: int
    is_crowd: bool
    shape: bytes


class Annotations:
    """The entries of `annotations` in columns: a Python object for each would take several times the memory."""

    def __init__(self) -> None:
        self._ids, self._images, self._categories, self._ends = (array("q") for _ in range(4))
        self._is_crowd, self._shapes = bytearray(), bytearray()

    def add(self, record: Record, where: str) -> None:
        self._ids.append(whole_number(record, "id", where))
        self._images.append(whole_number(record, "image_id", where))
        self._categories.append(whole_number(record, "category_id", where))
        self._is_crowd.append(flag(record, "iscrowd", where))
        self._shapes += pack(record.get("segmentation"))
        self._ends.append(len(self._shapes))

    def of_image(self, image: int) -> list[Annotation]:
        """In the order of their ids."""
        start, end = (int(np.searchsorted(self._images_in_order, image, side)) for side in ("left", "right"))
        return [self._at(int(place)) for place in self._order[start:end]]

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """The ids of images that have annotations, each once."""
        return np.unique(self._images)

    @cached_property
    def repeated_ids(self) -> frozenset[int]:
        ids, times = np.unique(self._ids, return_counts=True)
        return frozenset(ids[times > 1].tolist())

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.lexsort((self._ids, self._images))

    @cached_property
    def _images_in_order(self) -> NDArray[np.int64]:
        return np.asarray(self._images)[self._order]

    def _at(self, place: int) -> Annotation:
        start = self._ends[place - 1] if place else 0
        shape = bytes(self._shapes[start : self._ends[place]])
        return Annotation(self._ids[place], self._categories[place], bool(self._is_crowd[place]), shape)


@dataclass(frozen=True)
class AnnotationFile:
    """What a file says: images in its order, the names of categories by id, and objects."""

    key: str
    images: tuple[ImageRecord, ...]
    categories: dict[int, str]
    annotations: Annotations

    @cached_property
    def repeated_ids(self) -> frozenset[int]:
        """Ids that several images have."""
        return _repeated(record.id for record in self.images)

    @cached_property
    def repeated_names(self) -> frozenset[str]:
        """Files that several images name."""
        return _repeated(record.file_name for record in self.images)


def read_annotations(store: Store, entry: Entry) -> AnnotationFile:
    """Read a file, a block at a time.

    Raises:
        DataError: it is not JSON; lists no image, category or annotation, because then all would be background; lacks a field; or has
            two categories of one name or id.
    """
    images: list[ImageRecord] = []
    categories: list[tuple[int, str]] = []
    annotations = Annotations()
    stream_records(
        store,
        entry,
        {
            "images": lambda record, where: images.append(_image(record, where)),
            "categories": lambda record, where: categories.append((whole_number(record, "id", where), text(record, "name", where))),
            "annotations": annotations.add,
        },
    )
    _check_categories(categories, f"{store.uri}/{entry.key}")
    return AnnotationFile(entry.key, tuple(images), dict(sorted(categories)), annotations)


def _image(record: Record, where: str) -> ImageRecord:
    height, width = (None if record.get(key) is None else whole_number(record, key, where) for key in ("height", "width"))
    size = None if height is None or width is None else (height, width)
    return ImageRecord(whole_number(record, "id", where), text(record, "file_name", where), size)


def _check_categories(categories: list[tuple[int, str]], where: str) -> None:
    ids, names = dict[int, str](), dict[str, int]()
    for number, name in categories:
        if number in ids:
            raise DataError(f"{where}: category {number} is there twice, as {ids[number]} and {name}; give each its own id")
        if name in names:
            raise DataError(f"{where}: categories {names[name]} and {number} are both named {name}; rename one of them")
        ids[number], names[name] = name, number


def _repeated(values: Iterable[T]) -> frozenset[T]:
    seen, repeated = set[T](), set[T]()
    for value in values:
        (repeated if value in seen else seen).add(value)
    return frozenset(repeated)

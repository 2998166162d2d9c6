"""COCO: pictures with objects in annotation files, drawn as a class for each pixel.

The annotation files are read in the process that lists; what a worker needs of them travels in its items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from trainer.config import CocoSource
from trainer.data.sources.base import Pixels, Sample, Target, UnusableImageError
from trainer.data.sources.coco_annotations import Annotation, AnnotationFile, ImageRecord
from trainer.data.sources.coco_classes import BACKGROUND, class_names
from trainer.data.sources.coco_listing import CocoListing, problem_of
from trainer.data.sources.coco_shapes import unpack
from trainer.data.sources.contents import listing_digest
from trainer.data.sources.layout import Unusable, open_data, read_file, stem_below
from trainer.data.sources.pictures import read_picture
from trainer.data.sources.rle import Runs, ShapeError, area, paint
from trainer.labels import IGNORE


class Shape(NamedTuple):
    """A packed segmentation, the id of its annotation, and the value that its pixels get."""

    id: int
    value: int
    packed: bytes


@dataclass(frozen=True)
class AnnotatedImage:
    """An image's key, its height and width as the annotations have them, and its objects."""

    name: str
    image: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...]


class CocoInstances:
    """Objects become a class for each pixel: smaller ones lie on larger ones, and of equal ones the later id on the earlier."""

    def __init__(self, section: CocoSource) -> None:
        self.target: Target = section.target
        self.splits = section.splits
        self._section = section
        self._store = open_data(section, "coco")
        self._listing = CocoListing(section, self._store)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def count(self, split: str) -> int:
        return len(self._listing.records(split))

    def items(self, split: str) -> Iterator[AnnotatedImage | Unusable]:
        file = self._listing.file(split)
        for record in self._listing.records(split):
            yield record if isinstance(record, Unusable) else self._item(split, file, record)

    def read(self, item: AnnotatedImage | Unusable) -> Sample:
        if isinstance(item, Unusable):
            raise UnusableImageError(item.file, item.reason)
        picture = read_picture(read_file(self._store, item.image, item.image, "is listed, but there is no such image"), item.image)
        height, width = picture.pixels.shape[:2]
        if item.size not in {None, (height, width)}:
            annotated = " × ".join(str(side) for side in item.size or ())
            raise UnusableImageError(item.image, f"has {height} × {width} pixels (height × width), but its annotations are for {annotated}")
        return Sample(item.name, picture.data, picture.extension, picture.pixels, draw(item, height, width), item.image)

    def digest(self) -> str:
        return listing_digest(self._store, self._listing.entries())

    def _item(self, split: str, file: AnnotationFile, record: ImageRecord) -> AnnotatedImage | Unusable:
        name, key = stem_below("", record.file_name), self._listing.key(split, record)
        annotations = file.annotations.of_image(record.id)
        if problem := problem_of(file, record, annotations):
            return Unusable(name, key, problem)
        shapes = (Shape(annotation.id, self._value(file, annotation), annotation.shape) for annotation in annotations)
        return AnnotatedImage(name, key, record.size, tuple(shapes))

    def _value(self, file: AnnotationFile, annotation: Annotation) -> int:
        value = self._value_of.get(file.categories[annotation.category])
        if value is None:
            return IGNORE if self._section.other_categories == "ignore" else BACKGROUND
        return IGNORE if annotation.is_crowd and self._section.crowd == "ignore" else value

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        return class_names(self._section, [self._listing.file(split) for split in self.splits])

    @cached_property
    def _value_of(self) -> dict[str, int]:
        """The value in masks of each category that is a class, by its name: ids may differ from file to file."""
        return {name: value for value, name in enumerate(self.classes) if value != BACKGROUND}


def draw(item: AnnotatedImage, height: int, width: int) -> Pixels:
    """The mask `[H, W]` of an image of this size.

    Raises:
        UnusableImageError: a shape does not decode, or is not one of such an image.
    """
    shapes = sorted((_runs(item, shape, height, width) for shape in item.shapes), key=lambda drawn: (-area(drawn[1]), drawn[0].id))
    columns = np.full((width, height), BACKGROUND, np.uint8)
    for shape, runs in shapes:
        paint(columns, runs, shape.value)
    return np.ascontiguousarray(columns.T)


def _runs(item: AnnotatedImage, shape: Shape, height: int, width: int) -> tuple[Shape, Runs]:
    try:
        return shape, unpack(shape.packed, height, width)
    except ShapeError as error:
        raise UnusableImageError(item.image, f"has annotation {shape.id}, which {error}") from None

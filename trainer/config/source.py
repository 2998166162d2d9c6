"""The section `source`: where the images come from, one class for each format. Read by prepare alone."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from trainer.config.section import Fraction, Name, Section, check_rising

LabelValue = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[LabelValue, LabelValue, LabelValue]  # red, green, blue
MaskClasses = Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
Target = Literal["mask", "label"]  # what is to be learnt of an image: a class for each pixel, or one for the whole

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class SourceSection(Section):
    """What every source has."""

    policy: Literal["raise", "skip"] = "raise"
    """What an image that cannot be used does: `raise` ends the stage, `skip` leaves it out and lists it."""
    max_skipped: Fraction = 0.1
    """A larger share of skipped images stops the stage."""
    samples_per_shard: PositiveInt = 1000
    """Of one tar file."""


class FilesSource(SourceSection):
    """A source of the user's files. Splits are lists or folders, as each format lays them out, or drawn by content.

    With `split_shares` an image's split follows from a hash of its bytes: equal images share a split, and an image
    stays in its split whatever is added.
    """

    uri: str = ""
    """A folder or `s3://bucket/prefix`; `--data` sets it."""
    splits: Annotated[tuple[Name, ...], Field(min_length=1)] = ("train", "val")
    """Names; mean and deviation of the colours are taken of the first."""
    split_shares: tuple[PositiveFloat, ...] = ()
    """Of the images, one for each split; e.g. [0.9, 0.1]."""

    @model_validator(mode="after")
    def _splits_must_fit(self) -> Self:
        check_distinct(splits=self.splits)
        if self.split_shares and len(self.split_shares) != len(self.splits):
            raise ValueError(
                f"split_shares={list(self.split_shares)} has {len(self.split_shares)} shares for the {len(self.splits)} splits "
                f"{list(self.splits)}; give one for each"
            )
        if self.split_shares and not math.isclose(sum(self.split_shares), 1.0, abs_tol=1e-6):
            raise ValueError(f"split_shares={list(self.split_shares)} add up to {sum(self.split_shares):g}; make them add up to 1")
        return self


class DigitsSource(SourceSection):
    """Scenes composed of scikit-learn's handwritten digits. Built in: takes no data.

    With `target: mask` a scene shows several digits, to be segmented from their background; with `target: label` it shows one.
    """

    format: Literal["digits"] = "digits"
    """Which of the formats."""
    uri: Literal[""] = ""
    """Built in: takes no data."""
    target: Target = "mask"
    """What there is to learn of an image: a class for each pixel (`mask`), or one for the whole (`label`)."""
    background: Literal["photographs", "plain"] = "photographs"
    """What lies behind the digits."""
    train_scenes: PositiveInt = 2000
    """How many."""
    val_scenes: PositiveInt = 400
    """How many; of digits, and parts of the photographs, that training never sees."""
    size: Annotated[int, Field(ge=16, le=400)] = 64
    """Pixels, height and width; the photographs are 427 × 640."""
    digits_per_scene: tuple[PositiveInt, PositiveInt] = (2, 5)
    """Fewest, most."""
    digit_size: tuple[PositiveInt, PositiveInt] = (14, 32)
    """Pixels, smallest and largest height."""
    seed: NonNegativeInt = 0
    """Of the composition."""

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "val")

    @model_validator(mode="after")
    def _ranges_must_fit(self) -> Self:
        check_rising(digits_per_scene=self.digits_per_scene, digit_size=self.digit_size)
        if self.digit_size[1] > self.size:
            raise ValueError(
                f"digit_size reaches {self.digit_size[1]} pixels, which is more than size={self.size}; lower digit_size or raise size"
            )
        if self.target == "label" and self.digits_per_scene != (1, 1):
            raise ValueError(
                f"target=label names one digit a picture, but digits_per_scene={list(self.digits_per_scene)}; set digits_per_scene=[1, 1]"
            )
        return self


class MasksSource(FilesSource):
    """Folders `images/` and `masks/`, paired by file stem.

    Masks are PNGs whose values are class indices (greyscale, or palette indices), or, with `colours`, whose colours are.
    Splits are sub-folders (`images/train/…`, `masks/train/…`) or list files with one stem a line (`train.txt`).
    """

    format: Literal["masks"] = "masks"
    """Which of the formats."""
    target: Literal["mask"] = "mask"
    """What there is to learn of an image: a class for each pixel (`mask`), or one for the whole (`label`)."""
    classes: MaskClasses
    """Names, in the order of the masks' values."""
    ignore: tuple[LabelValue, ...] = (255,)
    """Values in the masks that belong to no class."""
    colours: tuple[Colour, ...] = ()
    """Of the classes, in their order; empty: masks hold indices."""
    ignore_colours: tuple[Colour, ...] = ()
    """Colours that belong to no class."""

    @model_validator(mode="after")
    def _labels_must_be_distinct(self) -> Self:
        check_distinct(classes=self.classes)
        check_ignore(self.ignore, self.classes)
        if self.colours and len(self.colours) != len(self.classes):
            raise ValueError(f"colours has {len(self.colours)} entries for {len(self.classes)} classes; give one for each")
        if self.ignore_colours and not self.colours:
            raise ValueError(
                f"ignore_colours={[list(c) for c in self.ignore_colours]} cannot act without colours; give colours, or use ignore"
            )
        check_distinct(colours_and_ignore_colours=(*self.colours, *self.ignore_colours))
        return self


class CocoSource(FilesSource):
    """COCO's instance annotations, drawn as a class for each pixel; larger objects below smaller ones.

    A `{split}` in a path stands for the split's name. Where the path of the annotations has none, splits are list files
    (`train.txt`, one stem a line) or `split_shares`. Source: cocodataset.org/#format-data.
    """

    format: Literal["coco"] = "coco"
    """Which of the formats."""
    target: Literal["mask"] = "mask"
    """What there is to learn of an image: a class for each pixel (`mask`), or one for the whole (`label`)."""
    images: str = "{split}"
    """Folder of the images, below the URI."""
    annotations: str = "annotations/instances_{split}.json"
    """Their file, below the URI."""
    classes: tuple[str, ...] = ()
    """Names of categories in the order wanted; empty: all of the file, by id."""
    background: str = "background"
    """The name of class 0: pixels of no object."""
    other_categories: Literal["background", "ignore"] = "background"
    """What objects of categories outside `classes` become."""
    crowd: Literal["class", "ignore"] = "ignore"
    """What regions marked `iscrowd` become."""

    @model_validator(mode="after")
    def _classes_must_be_distinct(self) -> Self:
        check_distinct(background_and_classes=(self.background, *self.classes))
        return self

    @model_validator(mode="after")
    def _splits_must_be_said_once(self) -> Self:
        if self.split_shares and "{split}" in self.images + self.annotations:
            raise ValueError(
                f"split_shares={list(self.split_shares)} draws the splits, but images={self.images} and annotations={self.annotations} "
                "give each its own path; take {split} out of the paths, or drop split_shares"
            )
        return self


class VocSource(FilesSource):
    """PASCAL VOC: `JPEGImages/`, `SegmentationClass/` (palette PNG) and `ImageSets/Segmentation/<split>.txt`."""

    format: Literal["voc"] = "voc"
    """Which of the formats."""
    target: Literal["mask"] = "mask"
    """What there is to learn of an image: a class for each pixel (`mask`), or one for the whole (`label`)."""
    classes: MaskClasses = VOC_CLASSES
    """Names, in the order of the masks' values."""
    ignore: tuple[LabelValue, ...] = (255,)
    """The border of objects."""

    @model_validator(mode="after")
    def _labels_must_be_distinct(self) -> Self:
        check_distinct(classes=self.classes)
        check_ignore(self.ignore, self.classes)
        return self


class FoldersSource(FilesSource):
    """One folder a class: `<split>/<class>/…`, or `<class>/…` with `split_shares` or with lists.

    A list (`train.txt`) has one path without extension a line, e.g. `cat/0001`.
    """

    format: Literal["folders"] = "folders"
    """Which of the formats."""
    target: Literal["label"] = "label"
    """What there is to learn of an image: a class for each pixel (`mask`), or one for the whole (`label`)."""
    classes: tuple[str, ...] = ()
    """Names of folders in the order wanted; empty: all, sorted."""

    @model_validator(mode="after")
    def _classes_must_be_distinct(self) -> Self:
        check_distinct(classes=self.classes)
        return self


def check_distinct(**lists: tuple[object, ...]) -> None:
    """Raise ValueError for a list that names one value twice."""
    for name, values in lists.items():
        if len(set(values)) != len(values):
            raise ValueError(f"{name.replace('_', ' ')}={list(values)} names one twice; give each its own")


def check_ignore(ignore: tuple[int, ...], classes: tuple[str, ...]) -> None:
    """Raise ValueError for values that are a class and are to be ignored."""
    if clash := [value for value in ignore if value < len(classes)]:
        raise ValueError(f"ignore={list(ignore)} names {clash}, which are indices of the {len(classes)} classes; take them out")


Source = Annotated[DigitsSource | MasksSource | CocoSource | VocSource | FoldersSource, Field(discriminator="format")]

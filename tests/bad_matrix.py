"""Every kind of bad input and every source: which of them do not meet in the table, and why.

A gap cannot occur, or it would run the very code that another cell runs. The matrix is written out apart from the table, so that a
cell which is taken out is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.bad_files import PICTURES


class Gap(NamedTuple):
    """Rows that have no cell in some sources."""

    why: str
    sources: Sequence[str]
    rows: Sequence[str]


PICTURE = (*PICTURES, "name with spaces", "name in Unicode")
PAIR = ("missing mask", "mask without image")
MASK_FILE = (
    "truncated mask",
    "zero-byte mask",
    "16-bit mask",
    "transparent mask",
    "decompression bomb as mask",
    "mask of colours",
)
MASK = (*MASK_FILE, "mask of another size", "mask values outside the classes")
SPLIT = ("empty split", "missing split", "split overlaps another")
LIST = ("listed twice", "split that lists another's")
CLASS = ("class that training never sees", "class of no split")
SHAPE = (
    "polygon half outside",
    "polygon outside the picture",
    "polygon beyond all measure",
    "polygon of two points",
    "RLE that does not decode",
    "RLE of too few pixels",
    "RLE of another size",
    "RLE of a negative count",
    "no segmentation",
)
ANNOTATIONS = (
    "annotation of an unlisted image",
    "image without annotation",
    "duplicate ids of annotations",
    "duplicate ids of categories",
    "category gaps",
    "annotations misspelt",
    "annotations as an object",
    "annotations as a text",
    "no annotation at all",
    "annotations cut short",
    *SHAPE,
)
OTHERS = ("duplicate ids", "name that is too long", "annotation without image", "listed without image", "image without class")
ROWS = (*PICTURE, *PAIR, *MASK, *SPLIT, *LIST, *CLASS, *ANNOTATIONS, *OTHERS)

MASKS = ("masks", "masks in colours", "masks in folders", "drawn masks")
VOC = ("voc", "drawn voc")
COCO = ("coco", "listed coco", "drawn coco")
FOLDERS = ("folders", "listed folders", "drawn folders")
DRAWN = ("drawn masks", "drawn voc", "drawn coco", "drawn folders")
OTHER_SPLITS = ("masks in folders", "listed coco", "listed folders", *DRAWN)  # than the plain source of their name has
MASKS_OF_OTHER_SPLITS = ("masks in folders", "drawn masks", "drawn voc")

GAPS = (
    Gap("same code: pictures are read as by the plain source", (*OTHER_SPLITS, "masks in colours"), PICTURE),
    Gap("same code: masks are read as by the plain source", MASKS_OF_OTHER_SPLITS, MASK),
    Gap("same code: annotations are read as by coco", ("listed coco", "drawn coco"), (*ANNOTATIONS, "mask of another size")),
    Gap("same code: annotations are read as by coco", ("listed coco", "drawn coco"), ["mask values outside the classes"]),
    Gap("same code: classes are counted behind it", ("masks in colours", *MASKS_OF_OTHER_SPLITS, "listed coco", "drawn coco"), CLASS),
    Gap("same code: classes are counted behind it", ("listed folders", "drawn folders"), ["class that training never sees"]),
    Gap("same code: only the values of masks differ from masks", ["masks in colours"], (*PAIR, *SPLIT, *LIST, "mask of another size")),
    Gap("same code: only the values of masks differ from masks", ["masks in colours"], ("duplicate ids", "name that is too long")),
    Gap("same code: ids are compared as by coco", ["drawn coco"], ["duplicate ids", "listed twice"]),
    Gap("same code: a name leads to a missing file as by coco", ["drawn coco"], ["name that is too long"]),
    Gap("cannot: colours are what it reads", ["masks in colours"], ["mask of colours"]),
    Gap("cannot: folders have no masks", FOLDERS, (*PAIR, *MASK)),
    Gap("cannot: coco has no files of masks", COCO, (*PAIR, *MASK_FILE)),
    Gap("cannot: only coco has annotations", (*MASKS, *VOC, *FOLDERS), (*ANNOTATIONS, "annotation without image")),
    Gap("cannot: only folders have classes by place", (*MASKS, *VOC, *COCO), ["image without class"]),
    Gap("cannot: a class is a folder that holds an image", FOLDERS, ["class of no split"]),
    Gap("cannot: it has no lists", ("masks in folders", "folders", "drawn masks", "drawn voc", "drawn folders"), LIST),
    Gap("cannot: it has no lists", ("coco", "drawn coco"), ["split that lists another's"]),
    Gap("cannot: it has no lists", ("masks in folders", "coco", "folders", *DRAWN), ["listed without image"]),
    Gap("cannot: it reads the names of files that are there", ("masks in folders", "folders"), ["name that is too long"]),
    Gap("cannot: it reads the names of files that are there", ("drawn masks", "drawn voc", "drawn folders"), ["name that is too long"]),
    Gap("cannot: splits that are drawn are always there", DRAWN, ["missing split"]),
    Gap("is the row: mask without image", ("masks", "masks in colours", "voc"), ["listed without image"]),
)

"""The table: good data of a source, how it is spoilt, and what must come of it. What is not in it is in `tests.bad_matrix`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bad_files import PICTURES, alpha, decompression_bomb, plain, sixteen_bit, zero_bytes
from tests.bad_outcomes import Cell, Left, NotMeant, Outcome, Spoil, Unusable, Used, stops, untaught, unusable
from tests.bad_sources import SOURCES, SourceCase, copy_to_val
from tests.bad_spoilers import (
    added_line,
    an_owl_in_val,
    category_twice,
    category_without_objects,
    cut,
    entry_twice,
    filled,
    of_the_victim,
    one_id_for_two_annotations,
    one_id_for_two_images,
    removed,
    stray_annotation,
    with_field,
    with_image,
    with_record,
    without_annotations,
    without_birds_to_train_on,
    without_images_in_val,
    without_val,
    without_val_images,
    written,
)
from tests.coco_data import box, box_mask, image
from tests.mask_data import CLASSES, Array, encoded, picture, put
from tests.voc_data import voc_mask
from trainer.config.source import VOC_CLASSES
from trainer.errors import ConfigError

PICTURED = ("masks", "coco", "voc", "folders")  # others read pictures as these do
TOO_LONG = "x" * 300  # more than a file system takes


def pictures(name: str, source: SourceCase) -> Iterator[Cell]:
    """Every kind of picture in the victim's place."""
    for row, make in PICTURES.items():
        file = make()
        size = (12, 16) if file.pixels is None else file.pixels.shape[:2]
        outcome = Used(name=source.victim, pixels=file.pixels, target=ones(name, size))
        if file.reason:
            outcome = unusable(source.victim, source.file(source.victim, file.extension), file.reason)
        yield Cell(row, name, replacing(source, file.data, file.extension, size), outcome)
    good = plain()
    for row, stem in {"name with spaces": "a b  (1)", "name in Unicode": "Ä-猫-🐈"}.items():
        new = source.named(stem)
        used = Used(name=new, pixels=good.pixels, target=ones(name, (12, 16)), renamed=(source.victim, new))
        yield Cell(row, name, replacing(source, good.data, good.extension, (12, 16), stem), used)


def replacing(source: SourceCase, data: bytes, extension: str, size: tuple[int, int], stem: str = "") -> Spoil:
    return lambda root: source.replace(root, data, extension, size, stem)


def ones(source: str, size: tuple[int, int]) -> Array | int:
    return 1 if "folders" in source else np.full(size, 1, np.uint8)


def overlaps(name: str, source: SourceCase) -> Iterator[Cell]:
    reason = f"is the same picture as {source.victim_file} of split train"
    yield Cell("split overlaps another", name, lambda root: copy_to_val(source, root), unusable(source.twin, source.twin_file, reason))


def grey_png(value: int, size: tuple[int, int] = (12, 16)) -> bytes:
    return encoded(Image.fromarray(np.full(size, value, np.uint8)))


def index_png(value: int, size: tuple[int, int] = (32, 48)) -> bytes:
    return voc_mask(np.full(size, value, np.uint8))


def gap_target() -> Array:
    """The victim of COCO as its fixture draws it: categories 2, 7 and 90 are the values 1, 2 and 3."""
    return box_mask(3, 3, 15, 12, 32, 48) + 2 * box_mask(19, 3, 27, 23, 32, 48) + 3 * box_mask(33, 6, 44, 11, 32, 48)


ANOTHER_PICTURE = encoded(Image.fromarray(picture(500)))
COLOURED = encoded(Image.fromarray(picture(501)))
JSON_FILE = "annotations/instances_train.json"
VOC_MASK, VOC_IMAGE, VOC_LIST = "SegmentationClass/2007_000003.png", "JPEGImages/2007_000003.jpg", "ImageSets/Segmentation"


def no_such(file: str) -> Unusable:
    return unusable("", file, "is listed, but there is no such image")


def masks_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, **settings: Any) -> Cell:
        return Cell(row, "masks", spoil, outcome, settings)

    yield cell("missing mask", removed("masks/t3.png"), unusable("t3", "images/t3.png", "has no mask masks/t3.png"))
    yield cell("mask without image", removed("images/t3.png"), unusable("t3", "images/t3", "is listed, but there is no such image"))
    sizes = "has 12 × 16 pixels (height × width), but its mask masks/t3.png has 9 × 16"
    yield cell("mask of another size", written("masks/t3.png", grey_png(1, (9, 16))), unusable("t3", "images/t3.png", sizes))
    values = "holds values that are neither one of the 3 classes nor in source.ignore: 77 in 192 pixels"
    yield cell("mask values outside the classes", written("masks/t3.png", grey_png(77)), unusable("t3", "masks/t3.png", values))
    yield from broken_masks("masks", "t3", "masks/t3.png")
    yield cell("mask of colours", written("masks/t3.png", COLOURED), unusable("t3", "masks/t3.png", "is a 8-bit PNG of mode RGB"))
    twice = unusable("t3", "images/t3.bmp", "shares its stem with images/t3.png; keep one of them")
    yield cell("duplicate ids", written("images/t3.bmp", ANOTHER_PICTURE), twice)
    yield cell("listed twice", added_line("train.txt", "t3"), stops("'t3' is listed twice, in train.txt"))
    yield cell("empty split", written("val.txt", b"\n \n"), stops("/val.txt lists nothing"))
    yield cell("missing split", removed("val.txt"), stops("has train.txt but not val.txt; add it"))
    yield cell("name that is too long", added_line("train.txt", TOO_LONG), no_such(f"images/{TOO_LONG}"))
    yield cell("split that lists another's", added_line("val.txt", "t3"), stops("'t3' is listed twice, in train.txt and val.txt"))
    yield cell("class that training never sees", filled("masks/t*.png", grey_png(0)), untaught("cell, nucleus"))
    absent = Outcome(notices=("classes that no split holds: debris",))
    yield cell("class of no split", lambda root: None, absent, classes=(*CLASSES, "debris"))


def broken_masks(source: str, name: str, file: str, transparent: str = "is a 8-bit PNG of mode RGBA") -> Iterator[Cell]:
    """Files that are no masks, in the place of one."""
    yield Cell("truncated mask", source, cut(file), unusable(name, file, "cannot be decoded: "))
    yield Cell("zero-byte mask", source, written(file, b""), unusable(name, file, zero_bytes().reason))
    yield Cell("16-bit mask", source, written(file, sixteen_bit().data), unusable(name, file, "is a 16-bit PNG of mode I;16"))
    yield Cell("transparent mask", source, written(file, alpha().data), unusable(name, file, transparent))
    bomb = decompression_bomb()
    yield Cell("decompression bomb as mask", source, written(file, bomb.data), unusable(name, file, bomb.reason))


def masks_in_colours_cells() -> Iterator[Cell]:
    cell = partial(Cell, source="masks in colours")
    black = written("masks/t3.png", encoded(Image.fromarray(np.zeros((12, 16, 3), np.uint8))))
    colours = "holds colours that are neither in source.colours nor in source.ignore_colours: [0, 0, 0] in 192 pixels"
    yield cell("mask values outside the classes", spoil=black, outcome=unusable("t3", "masks/t3.png", colours))
    yield from broken_masks("masks in colours", "t3", "masks/t3.png", transparent="is not opaque in 1")


def masks_in_folders_cells() -> Iterator[Cell]:
    cell = partial(Cell, source="masks in folders")
    no_mask = unusable("t3", "images/train/t3.png", "has no mask masks/train/t3.png")
    yield cell("missing mask", spoil=removed("masks/train/t3.png"), outcome=no_mask)
    no_image = unusable("t3", "masks/train/t3.png", "has no image images/train/t3")
    yield cell("mask without image", spoil=removed("images/train/t3.png"), outcome=no_image)
    twice = unusable("t3", "images/train/t3.bmp", "shares its stem with images/train/t3.png; keep one of them")
    yield cell("duplicate ids", spoil=written("images/train/t3.bmp", ANOTHER_PICTURE), outcome=twice)
    yield cell("empty split", spoil=without_val_images("*/val"), outcome=stops("split val has no usable sample"))
    yield cell("missing split", spoil=without_val("*/val"), outcome=stops("there is no images/val/; found images/, masks/", ConfigError))


def drawn_masks_cells() -> Iterator[Cell]:
    cell = partial(Cell, source="drawn masks")
    yield cell("missing mask", spoil=removed("masks/t3.png"), outcome=unusable("t3", "images/t3.png", "has no mask masks/t3.png"))
    yield cell("mask without image", spoil=removed("images/t3.png"), outcome=unusable("t3", "masks/t3.png", "has no image images/t3"))
    twice = unusable("t3", "images/t3.bmp", "shares its stem with images/t3.png; keep one of them")
    yield cell("duplicate ids", spoil=written("images/t3.bmp", ANOTHER_PICTURE), outcome=twice)
    yield no_share("drawn masks")


def no_share(source: str) -> Cell:
    """Shares that give a split nothing."""
    return Cell("empty split", source, lambda root: None, stops("split val has no usable sample"), {"split_shares": (1 - 1e-9, 1e-9)})


def voc_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, **settings: Any) -> Cell:
        return Cell(row, "voc", spoil, outcome, settings)

    def left(file: str, reason: str) -> Unusable:
        return unusable("2007_000003", file, reason)

    yield cell("missing mask", removed(VOC_MASK), left(VOC_IMAGE, f"has no mask {VOC_MASK}"))
    yield cell("mask without image", removed(VOC_IMAGE), left("JPEGImages/2007_000003", "is listed, but there is no such image"))
    sizes = f"has 32 × 48 pixels (height × width), but its mask {VOC_MASK} has 48 × 32"
    yield cell("mask of another size", written(VOC_MASK, index_png(1, (48, 32))), left(VOC_IMAGE, sizes))
    values = "holds values that are neither one of the 5 classes nor in source.ignore: 9 in 1536 pixels"
    yield cell("mask values outside the classes", written(VOC_MASK, index_png(9)), left(VOC_MASK, values))
    yield from broken_masks("voc", "2007_000003", VOC_MASK)
    yield cell("mask of colours", written(VOC_MASK, COLOURED), left(VOC_MASK, "is a 8-bit PNG of mode RGB"))
    twice = left("JPEGImages/2007_000003.bmp", f"shares its stem with {VOC_IMAGE}; keep one of them")
    yield cell("duplicate ids", written("JPEGImages/2007_000003.bmp", ANOTHER_PICTURE), twice)
    yield cell("listed twice", added_line(f"{VOC_LIST}/train.txt", "2007_000003"), stops("'2007_000003' is listed twice"))
    yield cell("empty split", written(f"{VOC_LIST}/val.txt", b""), stops("val.txt lists nothing"))
    yield cell("missing split", removed(f"{VOC_LIST}/val.txt"), stops("val.txt; add it"))
    yield cell("name that is too long", added_line(f"{VOC_LIST}/train.txt", TOO_LONG), no_such(f"JPEGImages/{TOO_LONG}"))
    yield cell("split that lists another's", added_line(f"{VOC_LIST}/val.txt", "2007_000003"), stops("'2007_000003' is listed twice"))
    bottle = written("SegmentationClass/2007_000012.png", index_png(5))
    yield cell("class that training never sees", bottle, untaught("bottle"), classes=VOC_CLASSES[:6])
    absent = Outcome(notices=(f"classes that no split holds: {VOC_CLASSES[5]}",))
    yield cell("class of no split", lambda root: None, absent, classes=VOC_CLASSES[:6])


def drawn_voc_cells() -> Iterator[Cell]:
    """Most of VOC's images have no mask, so without lists one that has none is not meant."""
    cell, name = partial(Cell, source="drawn voc"), "2007_000003"
    yield cell("missing mask", spoil=removed(VOC_MASK), outcome=NotMeant(name=name))
    yield cell("mask without image", spoil=removed(VOC_IMAGE), outcome=unusable(name, VOC_MASK, f"has no image JPEGImages/{name}"))
    twice = unusable(name, "JPEGImages/2007_000003.bmp", f"shares its stem with {VOC_IMAGE}; keep one of them")
    yield cell("duplicate ids", spoil=written("JPEGImages/2007_000003.bmp", ANOTHER_PICTURE), outcome=twice)
    yield no_share("drawn voc")


def coco_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, **settings: Any) -> Cell:
        return Cell(row, "coco", spoil, outcome, settings)

    def left(reason: str, file: str = "train/0003.png") -> Unusable:
        return unusable("0003", file, reason)

    def shape(reason: str) -> Unusable:
        return left(f"has annotation 999, which {reason}")

    def drawn(target: Array) -> Used:
        return Used(name="0003", target=target)

    yield cell("annotation without image", removed("train/0003.png"), left("is listed, but there is no such image"))
    stray = unusable("", JSON_FILE, "has annotations of image 77, which it does not list: 999")
    yield cell("annotation of an unlisted image", stray_annotation, stray)
    yield cell("image without annotation", without_annotations, drawn(np.zeros((32, 48), np.uint8)))
    sizes = "has 32 × 48 pixels (height × width), but its annotations are for 32 × 47"
    yield cell("mask of another size", with_record(width=47), left(sizes))
    category = left(f"has annotation 999 of category 55, which {JSON_FILE} does not name")
    yield cell("mask values outside the classes", of_the_victim(box(1, 1, 5, 5), category_id=55), category)
    same_id = f"has the id 3, which {JSON_FILE} gives to several images"
    both = Unusable(left=(Left("0003", "train/0003.png", same_id), Left("0004", "train/0004.png", same_id)))
    yield cell("duplicate ids", one_id_for_two_images, both)
    yield cell(
        "duplicate ids of annotations", one_id_for_two_annotations, left(f"has annotation 30, an id that {JSON_FILE} gives to several")
    )
    two = Left("0003", "train/0003.png", f"is listed more than once in {JSON_FILE}")
    yield cell("listed twice", entry_twice, Unusable(left=(two, two)))
    yield cell("duplicate ids of categories", category_twice, stops("category 2 is there twice, as cat and lion"))
    yield cell("category gaps", lambda root: None, drawn(gap_target()))
    yield cell("polygon half outside", of_the_victim(box(-10, -9, 20, 5)), drawn(box_mask(0, 0, 20, 5, 32, 48)))
    yield cell("polygon outside the picture", of_the_victim(box(100, 100, 120, 130)), drawn(np.zeros((32, 48), np.uint8)))
    yield cell("polygon beyond all measure", of_the_victim(box(0, 0, 10**9, 5)), shape("has a polygon 1e+09 pixels away"))
    yield cell("polygon of two points", of_the_victim([[1, 2, 3, 4]]), shape("has a polygon of 4 numbers"))
    rle = {"size": [32, 48], "counts": "\x01?"}
    yield cell("RLE that does not decode", of_the_victim(rle), shape("has run lengths that do not decode"))
    short = {"size": [32, 48], "counts": [100, 20]}
    yield cell("RLE of too few pixels", of_the_victim(short), shape("has runs of 120 pixels in all"))
    other = {"size": [48, 32], "counts": [0, 1536]}
    yield cell(
        "RLE of another size", of_the_victim(other), shape("is drawn for 48 × 32 pixels (height × width), but the image has 32 × 48")
    )
    negative = {"size": [32, 48], "counts": [-5, 1541]}
    neither = "has a segmentation that is neither a list of polygons nor run lengths with their size"
    yield cell("RLE of a negative count", of_the_victim(negative), shape(neither))
    yield cell("no segmentation", of_the_victim([]), shape("has no segmentation"))
    yield cell("empty split", without_images_in_val, stops("instances_val.json must have a list `images` with entries at its top"))
    yield cell("missing split", removed("annotations/instances_val.json"), stops("looked for annotations/instances_val.json", ConfigError))
    yield cell("name that is too long", with_record(file_name=TOO_LONG), left("is listed, but there is no such image", f"train/{TOO_LONG}"))
    nothing_drawn = (
        "instances_train.json must have a list `annotations` with entries at its top, where it has info (object), images (array), "
    )
    yield cell("annotations misspelt", with_field("annotation"), stops(nothing_drawn + "categories (array), annotation (array)"))
    there = nothing_drawn + "categories (array), annotations "
    yield cell("annotations as an object", with_field("annotations", {"1": {}}), stops(there + "(object)"))
    yield cell("annotations as a text", with_field("annotations", "x"), stops(there + "(string)"))
    yield cell("no annotation at all", with_field("annotations", []), stops(there + "(array)"))
    yield cell("annotations cut short", cut(JSON_FILE), stops("instances_train.json is not valid JSON"))
    yield cell("class that training never sees", without_birds_to_train_on, untaught("bird"))
    yield cell("class of no split", category_without_objects, Outcome(notices=("classes that no split holds: fish",)))


def listed_coco_cells() -> Iterator[Cell]:
    cell = partial(Cell, source="listed coco")
    gone = unusable("0003", "images/0003.png", "is listed, but there is no such image")
    yield cell("annotation without image", spoil=removed("images/0003.png"), outcome=gone)
    unlisted = unusable("", "images/0099", "is listed, but all.json has no such image")
    yield cell("listed without image", spoil=added_line("train.txt", "0099"), outcome=unlisted)
    too_long = unusable("", f"images/{TOO_LONG}", "is listed, but all.json has no such image")
    yield cell("name that is too long", spoil=added_line("train.txt", TOO_LONG), outcome=too_long)
    twice = unusable("0003", "images/0003.png", "shares its stem with others in all.json, images 3, 500; keep one of them")
    yield cell("duplicate ids", spoil=with_image("all.json", image(500, "0003.jpg")), outcome=twice)
    yield cell("listed twice", spoil=added_line("train.txt", "0003"), outcome=stops("'0003' is listed twice, in train.txt"))
    yield cell("empty split", spoil=written("val.txt", b""), outcome=stops("/val.txt lists nothing"))
    yield cell("missing split", spoil=removed("val.txt"), outcome=stops("has train.txt but not val.txt"))
    both = stops("'0003' is listed twice, in train.txt and val.txt")
    yield cell("split that lists another's", spoil=added_line("val.txt", "0003"), outcome=both)


def drawn_coco_cells() -> Iterator[Cell]:
    gone = unusable("0003", "images/0003.png", "is listed, but there is no such image")
    yield Cell("annotation without image", "drawn coco", removed("images/0003.png"), gone)
    yield no_share("drawn coco")


def folders_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, source: str = "folders") -> Cell:
        return Cell(row, source, spoil, outcome)

    twice = unusable("dog/3", "train/dog/3.bmp", "shares its stem with train/dog/3.png; keep one of them")
    yield cell("duplicate ids", written("train/dog/3.bmp", ANOTHER_PICTURE), twice)
    loose = unusable("", "train/stray.png", "lies in no folder of a class")
    yield cell("image without class", written("train/stray.png", ANOTHER_PICTURE), loose)
    yield cell("empty split", without_val_images("val/*"), stops("split val has no usable sample"))
    yield cell("missing split", without_val("val/*"), stops("there is no val/; found train/", ConfigError))
    yield cell("class that training never sees", an_owl_in_val, untaught("owl", renamed=("dog/5", "owl/5")))

    def listed(row: str, spoil: Spoil, outcome: Outcome) -> Cell:
        return cell(row, spoil, outcome, "listed folders")

    yield listed("listed without image", removed("dog/3.png"), unusable("dog/3", "dog/3", "is listed, but there is no such image"))
    too_long = unusable("", f"dog/{TOO_LONG}", "is listed, but there is no such image")
    yield listed("name that is too long", added_line("train.txt", f"dog/{TOO_LONG}"), too_long)
    elsewhere = unusable("", "stray.png", "lies in no folder of a class")
    yield listed("image without class", loose_and_listed, elsewhere)
    twice = unusable("dog/3", "dog/3.bmp", "shares its stem with dog/3.png; keep one of them")
    yield listed("duplicate ids", written("dog/3.bmp", ANOTHER_PICTURE), twice)
    yield listed("listed twice", added_line("train.txt", "dog/3"), stops("'dog/3' is listed twice, in train.txt"))
    yield listed("empty split", written("val.txt", b""), stops("/val.txt lists nothing"))
    yield listed("missing split", removed("val.txt"), stops("has train.txt but not val.txt"))
    yield listed("split that lists another's", added_line("val.txt", "dog/3"), stops("'dog/3' is listed twice, in train.txt and val.txt"))

    def drawn(row: str, spoil: Spoil, outcome: Outcome) -> Cell:
        return cell(row, spoil, outcome, "drawn folders")

    yield drawn("duplicate ids", written("dog/3.bmp", ANOTHER_PICTURE), twice)
    yield drawn("image without class", written("stray.png", ANOTHER_PICTURE), elsewhere)
    yield no_share("drawn folders")


def loose_and_listed(root: Path) -> None:
    put(root / "stray.png", ANOTHER_PICTURE)
    added_line("train.txt", "stray")(root)


TABLE = [
    *(cell for name in PICTURED for cell in pictures(name, SOURCES[name])),
    *(cell for name, source in SOURCES.items() if name != "masks in colours" for cell in overlaps(name, source)),
    *masks_cells(),
    *masks_in_colours_cells(),
    *masks_in_folders_cells(),
    *drawn_masks_cells(),
    *voc_cells(),
    *drawn_voc_cells(),
    *coco_cells(),
    *listed_coco_cells(),
    *drawn_coco_cells(),
    *folders_cells(),
]

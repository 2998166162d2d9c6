"""What becomes of bad input: one table of inputs by sources, each cell under both policies, through the real `prepare` on real files.

A cell says how good data is spoilt and what must come of it. Under `raise`, what is of no use stops the stage and nothing is committed;
under `skip`, it is listed with its file and a reason. Whatever is used, every sample of the shards decodes, and no other is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests.bad_files import PICTURES, plain
from tests.bad_sources import SOURCES, Samples, SourceCase, change_text, changed_document, copy_to_val
from tests.coco_data import annotation, box, box_mask
from tests.mask_data import CLASSES, Array, encoded, picture, put
from tests.voc_data import voc_mask
from trainer.config.source import VOC_CLASSES
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.errors import ConfigError, DataError, SightlineError
from trainer.prepare import prepare
from trainer.reports import DatasetManifest, DatasetReport
from trainer.storage import open_store

Policy = Literal["raise", "skip"]
Spoil = Callable[[Path], object]
UNTAUGHT = "split val holds classes that split train never shows, so they cannot be learnt: "


class Left(NamedTuple):
    """A sample that is left out; its name is empty where the good data has none such."""

    name: str
    file: str
    reason: str  # its beginning


@dataclass(frozen=True)
class Outcome:
    """What must come of an input: nothing special, by default."""

    left: tuple[Left, ...] = ()
    notices: tuple[str, ...] = ()
    renamed: tuple[str, str] = ("", "")  # a sample of the good data, and the one that takes its place

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        """What stops the stage, and a part of its message."""
        return None

    def samples(self, good: Samples) -> Samples:
        """The names in the shards."""
        before, after = self.renamed
        return {split: [after if name == before else name for name in names] for split, names in good.items()}

    def check(self, images: dict[str, Array], targets: dict[str, Array | int]) -> None:
        """Look at the samples of split `train`, by name."""


@dataclass(frozen=True)
class Used(Outcome):
    """The sample `name` is used; `pixels` and `target` are what the shard must hold of it, where the input decides that."""

    name: str = ""
    pixels: Array | None = field(default=None, repr=False)
    target: Array | int | None = field(default=None, repr=False)

    def check(self, images: dict[str, Array], targets: dict[str, Array | int]) -> None:
        if self.pixels is not None:
            assert np.array_equal(images[self.name], self.pixels)
        if self.target is not None:
            assert np.array_equal(targets[self.name], self.target)


@dataclass(frozen=True)
class Unusable(Outcome):
    """Samples are left out, or the first of them stops the stage."""

    split: str = "train"

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return (DataError, f"{self.left[0].file} {self.left[0].reason}") if policy == "raise" else None

    def samples(self, good: Samples) -> Samples:
        lost = {left.name for left in self.left}
        return {split: [name for name in names if split != self.split or name not in lost] for split, names in good.items()}


@dataclass(frozen=True)
class Stops(Outcome):
    """The stage stops whatever the policy, because no sample is to blame."""

    kind: type[SightlineError] = DataError
    message: str = ""

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return self.kind, self.message


@dataclass(frozen=True)
class Untaught(Outcome):
    """A notice that stops the stage where the policy is `raise`."""

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return (DataError, self.notices[0]) if policy == "raise" else None


class Cell(NamedTuple):
    """Good data of a source, how it is spoilt, what must come of it, and settings of the source that it takes."""

    row: str
    source: str
    spoil: Spoil
    outcome: Outcome
    settings: dict[str, Any] = {}  # noqa: RUF012  # read alone


def unusable(name: str, file: str, reason: str, split: str = "train") -> Unusable:
    return Unusable(left=(Left(name, file, reason),), split=split)


def stops(message: str, kind: type[SightlineError] = DataError) -> Stops:
    return Stops(kind=kind, message=message)


def untaught(names: str, renamed: tuple[str, str] = ("", "")) -> Untaught:
    return Untaught(notices=(UNTAUGHT + names,), renamed=renamed)


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
    yield Cell(
        "split overlaps another", name, lambda root: copy_to_val(source, root), unusable(source.twin, source.twin_file, reason, "val")
    )


# Spoilers: each takes the root of good data.


def removed(path: str) -> Spoil:
    return lambda root: (root / path).unlink()


def written(path: str, data: bytes) -> Spoil:
    return lambda root: put(root / path, data)


def added_line(path: str, line: str) -> Spoil:
    return lambda root: change_text(root / path, lambda text: f"{text}{line}\n")


def cut(path: str) -> Spoil:
    return lambda root: put(root / path, (root / path).read_bytes()[:60])


def filled(masks: str, mask: bytes) -> Spoil:
    """Every mask of a pattern replaced."""
    return lambda root: [put(path, mask) for path in root.glob(masks)]


def of_the_victim(segmentation: Any, **values: Any) -> Spoil:
    """COCO's victim with one object alone."""

    def spoil(root: Path) -> None:
        with changed_document(root) as document:
            document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 3]
            document["annotations"].append({**annotation(999, segmentation, image=3), **values})

    return spoil


def without_val_images(root: Path) -> None:
    for path in root.glob("val/*/*.png"):
        path.unlink()
    put(root / "val/readme.txt", b"to come")


def without_val(root: Path) -> None:
    for path in root.glob("val/*/*.png"):
        path.unlink()


def an_owl_in_val(root: Path) -> None:
    (root / "val/owl").mkdir()
    (root / "val/dog/5.png").rename(root / "val/owl/5.png")


def without_images_in_val(root: Path) -> None:
    with changed_document(root, "val") as document:
        document["images"] = document["annotations"] = []


def with_record(**changes: Any) -> Spoil:
    """The victim's entry in `images` changed."""

    def spoil(root: Path) -> None:
        with changed_document(root) as document:
            document["images"][2] |= changes

    return spoil


def one_id_for_two_images(root: Path) -> None:
    with changed_document(root) as document:
        document["images"][3]["id"] = 3
        for entry in document["annotations"]:
            entry["image_id"] = 3 if entry["image_id"] == 4 else entry["image_id"]


def one_id_for_two_annotations(root: Path) -> None:
    with changed_document(root) as document:
        first, second, *_ = (entry for entry in document["annotations"] if entry["image_id"] == 3)
        second["id"] = first["id"]


def entry_twice(root: Path) -> None:
    with changed_document(root) as document:
        document["images"].append({**document["images"][2], "id": 500})


def stray_annotation(root: Path) -> None:
    with changed_document(root) as document:
        document["annotations"].append(annotation(999, box(1, 1, 5, 5), image=77))


def without_annotations(root: Path) -> None:
    with changed_document(root) as document:
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 3]


def without_birds_to_train_on(root: Path) -> None:
    with changed_document(root) as document:
        document["annotations"] = [entry for entry in document["annotations"] if entry["category_id"] != 90]


def category_without_objects(root: Path) -> None:
    for split in ("train", "val"):
        with changed_document(root, split) as document:
            document["categories"].append({"id": 5, "name": "fish"})


def category_twice(root: Path) -> None:
    with changed_document(root) as document:
        document["categories"].append({"id": 2, "name": "lion"})


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


def masks_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, **settings: Any) -> Cell:
        return Cell(row, "masks", spoil, outcome, settings)

    yield cell("missing mask", removed("masks/t3.png"), unusable("t3", "images/t3.png", "has no mask masks/t3.png"))
    yield cell("mask without image", removed("images/t3.png"), unusable("t3", "images/t3", "is listed, but there is no such image"))
    sizes = "has 12 × 16 pixels (height × width), but its mask masks/t3.png has 9 × 16"
    yield cell("mask of another size", written("masks/t3.png", grey_png(1, (9, 16))), unusable("t3", "images/t3.png", sizes))
    values = "holds values that are neither one of the 3 classes nor in source.ignore: 77 in 192 pixels"
    yield cell("mask values outside the classes", written("masks/t3.png", grey_png(77)), unusable("t3", "masks/t3.png", values))
    colours = "holds colours that are neither in source.colours nor in source.ignore_colours: [0, 0, 0] in 192 pixels"
    grey_colours = ((1, 1, 1), (2, 2, 2), (3, 3, 3))
    yield cell("colours outside the classes", in_colours, unusable("t3", "masks/t3.png", colours), colours=grey_colours)
    yield cell("truncated mask", cut("masks/t3.png"), unusable("t3", "masks/t3.png", "cannot be decoded: "))
    yield cell("mask of colours", written("masks/t3.png", COLOURED), unusable("t3", "masks/t3.png", "is a 8-bit PNG of mode RGB"))
    twice = unusable("t3", "images/t3.bmp", "shares its stem with images/t3.png; keep one of them")
    yield cell("duplicate ids", written("images/t3.bmp", ANOTHER_PICTURE), twice)
    yield cell("listed twice", added_line("train.txt", "t3"), stops("'t3' is listed twice, in train.txt"))
    yield cell("empty split", written("val.txt", b"\n \n"), stops("/val.txt lists nothing"))
    yield cell("missing split", removed("val.txt"), stops("has train.txt but not val.txt; add it"))
    yield cell("split that lists another's", added_line("val.txt", "t3"), stops("'t3' is listed twice, in train.txt and val.txt"))
    yield cell("class that training never sees", filled("masks/t*.png", grey_png(0)), untaught("cell, nucleus"))
    absent = Outcome(notices=("classes that no split holds: debris",))
    yield cell("class of no split", lambda root: None, absent, classes=(*CLASSES, "debris"))


def in_colours(root: Path) -> None:
    """All masks in three colours but the victim's, which is black."""
    for path in root.glob("masks/*.png"):
        values = np.asarray(Image.open(BytesIO(path.read_bytes())))
        put(path, encoded(Image.fromarray(np.repeat(values[:, :, None] + (path.stem != "t3"), 3, axis=2).astype(np.uint8))))
    put(root / "masks/t3.png", encoded(Image.fromarray(np.zeros((12, 16, 3), np.uint8))))


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
    yield cell("truncated mask", cut(VOC_MASK), left(VOC_MASK, "cannot be decoded: "))
    yield cell("mask of colours", written(VOC_MASK, COLOURED), left(VOC_MASK, "is a 8-bit PNG of mode RGB"))
    twice = left("JPEGImages/2007_000003.bmp", f"shares its stem with {VOC_IMAGE}; keep one of them")
    yield cell("duplicate ids", written("JPEGImages/2007_000003.bmp", ANOTHER_PICTURE), twice)
    yield cell("listed twice", added_line(f"{VOC_LIST}/train.txt", "2007_000003"), stops("'2007_000003' is listed twice"))
    yield cell("empty split", written(f"{VOC_LIST}/val.txt", b""), stops("val.txt lists nothing"))
    yield cell("missing split", removed(f"{VOC_LIST}/val.txt"), stops("val.txt; add it"))
    yield cell("split that lists another's", added_line(f"{VOC_LIST}/val.txt", "2007_000003"), stops("'2007_000003' is listed twice"))
    bottle = written("SegmentationClass/2007_000012.png", index_png(5))
    yield cell("class that training never sees", bottle, untaught("bottle"), classes=VOC_CLASSES[:6])
    absent = Outcome(notices=(f"classes that no split holds: {VOC_CLASSES[5]}",))
    yield cell("class of no split", lambda root: None, absent, classes=VOC_CLASSES[:6])


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
    yield cell("no segmentation", of_the_victim([]), shape("has no segmentation"))
    yield cell("empty split", without_images_in_val, stops("instances_val.json lists no images"))
    yield cell("missing split", removed("annotations/instances_val.json"), stops("looked for annotations/instances_val.json", ConfigError))
    yield cell("annotations cut short", cut(JSON_FILE), stops("instances_train.json is not valid JSON"))
    yield cell("class that training never sees", without_birds_to_train_on, untaught("bird"))
    yield cell("class of no split", category_without_objects, Outcome(notices=("classes that no split holds: fish",)))


def folders_cells() -> Iterator[Cell]:
    def cell(row: str, spoil: Spoil, outcome: Outcome, source: str = "folders") -> Cell:
        return Cell(row, source, spoil, outcome)

    twice = unusable("dog/3", "train/dog/3.bmp", "shares its stem with train/dog/3.png; keep one of them")
    yield cell("duplicate ids", written("train/dog/3.bmp", ANOTHER_PICTURE), twice)
    loose = unusable("", "train/stray.png", "lies in no folder of a class")
    yield cell("image without class", written("train/stray.png", ANOTHER_PICTURE), loose)
    yield cell("empty split", without_val_images, stops("split val has no usable sample"))
    yield cell("missing split", without_val, stops("there is no val/; found train/", ConfigError))
    yield cell("class that training never sees", an_owl_in_val, untaught("owl", renamed=("dog/5", "owl/5")))

    def listed(row: str, spoil: Spoil, outcome: Outcome) -> Cell:
        return cell(row, spoil, outcome, "listed folders")

    yield listed("listed without image", removed("dog/3.png"), unusable("dog/3", "dog/3", "is listed, but there is no such image"))
    yield listed("listed twice", added_line("train.txt", "dog/3"), stops("'dog/3' is listed twice, in train.txt"))
    yield listed("empty split", written("val.txt", b""), stops("/val.txt lists nothing"))
    yield listed("missing split", removed("val.txt"), stops("has train.txt but not val.txt"))
    yield listed("split that lists another's", added_line("val.txt", "dog/3"), stops("'dog/3' is listed twice, in train.txt and val.txt"))


TABLE = [
    *(cell for name, source in SOURCES.items() if name != "listed folders" for cell in pictures(name, source)),
    *(cell for name, source in SOURCES.items() for cell in overlaps(name, source)),
    *masks_cells(),
    *coco_cells(),
    *voc_cells(),
    *folders_cells(),
]


@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("cell", TABLE, ids=[f"{cell.row}-{cell.source}" for cell in TABLE])
def test_bad_input(cell: Cell, policy: Policy, tmp_path: Path) -> None:
    source = SOURCES[cell.source]
    source.make(tmp_path / "data")
    cell.spoil(tmp_path / "data")
    config = source.config(tmp_path / "data", policy=policy, max_skipped=0.5, samples_per_shard=5, **cell.settings)

    if error := cell.outcome.error(policy):
        with pytest.raises(error[0]) as caught:
            prepare(config, source_digest="", out=str(tmp_path / "out"), processes=1)
        assert error[1] in str(caught.value)
        assert not list(tmp_path.rglob("manifest.json"))
    else:
        report = prepare(config, source_digest="", out=str(tmp_path / "out"), processes=1)
        check(report, cell.outcome, cell.outcome.samples(source.samples))


def check(report: DatasetReport, outcome: Outcome, samples: Samples) -> None:
    """What is told, and what lies in the shards."""
    manifest = read_manifest(open_store(report.dataset))
    assert manifest.skipped == report.skipped
    assert manifest.notices == report.notices == outcome.notices
    assert [(skipped.file, skipped.reason[: len(left.reason)]) for skipped, left in zip(report.skipped, outcome.left, strict=True)] == [
        (left.file, left.reason) for left in outcome.left
    ]
    for split, names in samples.items():
        images, targets = decoded(report.dataset, manifest, split)
        assert sorted(images) == sorted(targets) == sorted(names)
        assert report.samples[split] == len(names)
        if split == "train":
            outcome.check(images, targets)


def decoded(dataset: str, manifest: DatasetManifest, split: str) -> tuple[dict[str, Array], dict[str, Array | int]]:
    """Every sample of a split, read with Pillow."""
    shards = ShardedSplit(open_store(dataset), manifest.split(split))
    files = [shards.read(place) for place in range(len(shards))]
    images = {name: np.asarray(Image.open(BytesIO(image)).convert("RGB")) for name, (image, _) in zip(shards.names, files, strict=True)}
    targets = {
        name: int(target) if shards.target == "label" else np.asarray(Image.open(BytesIO(target)))
        for name, (_, target) in zip(shards.names, files, strict=True)
    }
    return images, targets


def test_every_source_of_files_is_in_the_table() -> None:
    from trainer.data.sources import SOURCES as ALL

    assert {cell.source for cell in TABLE} - {"listed folders"} == set(ALL) - {"digits"}


def test_each_cell_is_there_once() -> None:
    assert len({(cell.row, cell.source) for cell in TABLE}) == len(TABLE)

"""How good data is spoilt: each function takes the root of the data, or returns one that does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bad_outcomes import Spoil
from tests.bad_sources import change_text, changed_document
from tests.coco_data import annotation, box
from tests.mask_data import put


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


def without_val_images(folders: str) -> Spoil:
    """Split `val` has files, but none is an image."""

    def spoil(root: Path) -> None:
        without_val(folders)(root)
        for folder in root.glob(folders):
            put(folder / "readme.txt", b"to come")

    return spoil


def without_val(folders: str) -> Spoil:
    return lambda root: [path.unlink() for path in root.glob(f"{folders}/*.png")]


def an_owl_in_val(root: Path) -> None:
    (root / "val/owl").mkdir()
    (root / "val/dog/5.png").rename(root / "val/owl/5.png")


def without_images_in_val(root: Path) -> None:
    with changed_document(root, "val") as document:
        document["images"] = document["annotations"] = []


def with_field(field: str, value: Any = None) -> Spoil:
    """The annotations of `train` under another name, or something else in their place."""

    def spoil(root: Path) -> None:
        with changed_document(root) as document:
            annotations = document.pop("annotations")
            document[field] = annotations if value is None else value

    return spoil


def with_image(file: str, record: dict[str, Any]) -> Spoil:
    """One more entry in `images`, without annotations."""

    def spoil(root: Path) -> None:
        with changed_document(root, file=file) as document:
            document["images"].append(record)

    return spoil


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
